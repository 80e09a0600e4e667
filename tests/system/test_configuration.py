"""Mistakes are told before anything starts, all at once, with the right exit status."""

import re
import socket

import pytest

from tests.system import apps
from tests.system.conftest import Start
from tests.system.daemon import Daemon

pytestmark = pytest.mark.system


def spawned(daemon: Daemon) -> bool:
    """Whether a sidecar was ever started."""
    return daemon.log.find("service.spawned") is not None


@pytest.mark.parametrize("module", ["fluxlit.supervisor", "fluxlit"], ids=["daemon", "cli"])
def test_f30_f34_every_mistake_is_told_at_once(start: Start, module: str) -> None:
    """Three mistakes in one file and one in the environment: four lines, 78, no traceback, nothing started."""
    toml = "[gateway]\nprot = 80\nport = 'abc'\n\n[sidecar]\nstart_timeout = -1\n"
    daemon = start(
        *(["run"] if module == "fluxlit" else []),
        module=module,
        files={"fluxlit.toml": toml, "app.py": apps.SMALL},
        environment={"FLUXLIT_LOG_LEVEL": "loud"},
    )
    assert daemon.wait() == 78
    errors = "\n".join(daemon.errors.lines)
    for place in ("fluxlit.toml:2", "fluxlit.toml:3", "fluxlit.toml:6", "FLUXLIT_LOG_LEVEL"):
        assert place in errors
    assert "port" in re.search(r"fluxlit.toml:2.*", errors)[0]  # type: ignore[index]
    assert "Traceback" not in errors
    assert not spawned(daemon)


def test_f15_a_busy_port_is_one_sentence_and_71(start: Start) -> None:
    """The address is named, and no sidecar was started for nothing."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        daemon = start(port=port)
        assert daemon.wait() == 71
    assert len(daemon.errors.lines) == 1
    assert f"127.0.0.1:{port}" in daemon.errors.lines[0]
    assert not spawned(daemon)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("import no_such_thing\n", "no_such_thing"),
        ("x = = 1\n", "app.py:1"),
        ("app = 3\n", "FluxLit"),
        ("", "app"),
    ],
    ids=["import", "f19-syntax", "wrong type", "no app"],
)
def test_f19_a_target_that_cannot_be_imported_is_the_users_own_error(
    start: Start, source: str, told: str
) -> None:
    """Short, with file and line, 78, and no traceback of ours."""
    daemon = start(files={"app.py": source})
    assert daemon.wait() == 78
    errors = "\n".join(daemon.errors.lines)
    assert told in errors
    assert len(daemon.errors.lines) == 1
    assert not spawned(daemon)


FAILS_TO_START = """\
from contextlib import asynccontextmanager
from fluxlit import FluxLit


@asynccontextmanager
async def life(api):
    raise %s("no database at db:5432")
    yield


app = FluxLit(fastapi_kwargs={"lifespan": life})
"""


@pytest.mark.parametrize("kind", ["ConnectionError", "SystemExit"])
def test_an_api_that_cannot_start_is_one_line(start: Start, backend: str, kind: str) -> None:
    """Its own words on standard error, its traceback in the log, status 1, nothing started."""
    daemon = start("--backend", backend, files={"app.py": FAILS_TO_START % kind})
    assert daemon.wait() == 1
    (line,) = daemon.errors.lines
    assert line == f"fluxlit: the API's startup failed: {kind}: no database at db:5432"
    assert 'app.py", line 7' in daemon.wait_event("api.startup_failed")["stacktrace"]
    assert daemon.log.find("daemon.crashed") is None
    assert not spawned(daemon)


def test_the_platforms_port_is_honoured_and_opens_all_interfaces(start: Start) -> None:
    """PORT alone: that port, on 0.0.0.0, as container platforms ask."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    daemon = start(port=None, environment={"PORT": str(port)})
    listening = daemon.wait_event("daemon.listening")
    assert (listening["host"], listening["port"]) == ("0.0.0.0", port)

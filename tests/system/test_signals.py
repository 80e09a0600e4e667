"""How the daemon ends: by signals, in any state, as PID 1 or not, and by its own death."""

import contextlib
import http.client
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from tests.doubles.streamlit_session import StreamlitSession
from tests.system import apps
from tests.system.conftest import Start
from tests.system.daemon import Answer, Daemon, marked

pytestmark = pytest.mark.system


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
def test_f05_a_stop_is_clean(start: Start, backend: str, number: int) -> None:
    """TERM and INT end the daemon with 0 and its sidecar with it, with nothing slept away."""
    daemon = start("--backend", backend).wait_ready()
    began = time.monotonic()
    assert daemon.stop(number) == 0
    assert time.monotonic() - began < 10
    assert daemon.log.find("service.exited") is not None
    assert daemon.errors.lines == []


def test_f07_a_signal_to_the_whole_group_is_a_clean_stop(start: Start) -> None:
    """What a shell's Ctrl-C and some platforms do: everyone in our group is signalled; the sidecar is not in it."""
    daemon = start(prefix=["setsid", "-w"]).wait_ready()
    leader = next(
        pid for pid in marked(daemon.mark) if os.getpgid(pid) == pid and pid != daemon.sidecar
    )
    os.killpg(leader, signal.SIGTERM)
    assert daemon.wait() == 0


def test_f08_what_runs_at_the_stop_is_finished(start: Start, backend: str) -> None:
    """An API call in flight gets its 200, an open WebSocket its 1012, the daemon exits with 0."""
    daemon = start("--backend", backend).wait_ready()
    answers: list[Answer] = []
    call = threading.Thread(target=lambda: answers.append(daemon.ask("/api/slow?seconds=1.5")))
    with StreamlitSession(daemon.port) as session:
        session.run()
        call.start()
        daemon.wait_line("slow has begun")
        daemon.process.send_signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosed) as closed:
            session.until_finished()
    call.join()
    assert daemon.wait() == 0
    assert [answer.status for answer in answers] == [200]
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012


def test_the_lame_duck_serves_on_with_readyz_503(start: Start, backend: str) -> None:
    """During the lame duck new requests are served on an open listener while readyz tells the load balancer."""
    daemon = start(
        "--backend", backend, environment={"FLUXLIT_SHUTDOWN_LAME_DUCK": "3"}
    ).wait_ready()
    here = daemon.events_so_far
    daemon.process.send_signal(signal.SIGTERM)
    daemon.wait_event("daemon.phase", start=here, to="lame_duck")
    assert daemon.ask("/api/readyz").status == 503
    assert daemon.ask("/api/healthz").status == 200
    assert daemon.ask("/api/ping").status == 200
    assert daemon.ask("/").status == 200
    daemon.process.send_signal(signal.SIGTERM)  # the second one skips what is left of it
    began = time.monotonic()
    assert daemon.wait() == 0
    assert time.monotonic() - began < 2.5


def test_a_third_signal_forces(start: Start, backend: str) -> None:
    """With a call that will not end, the third TERM ends all at once: 128 + 15 and nothing left."""
    daemon = start("--backend", backend, environment={"FLUXLIT_SHUTDOWN_TOTAL": "60"}).wait_ready()
    call = threading.Thread(target=_try, args=(daemon, "/api/slow?seconds=60"))
    call.start()
    daemon.wait_line("slow has begun")
    os.kill(daemon.sidecar, signal.SIGSTOP)
    here = daemon.events_so_far
    daemon.process.send_signal(signal.SIGTERM)
    daemon.wait_event("daemon.phase", start=here, to="draining")
    daemon.process.send_signal(signal.SIGTERM)
    daemon.wait_event("daemon.phase", start=here, to="stopping")
    daemon.process.send_signal(signal.SIGTERM)
    assert daemon.wait(10) == 128 + signal.SIGTERM
    call.join()


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.05, 0.1, 0.2, 0.5])
def test_f14_a_stop_in_the_middle_of_the_start(start: Start, delay: float) -> None:
    """TERM at any moment after exec ends it without leaving a sidecar; once Python runs our code, with 0."""
    daemon = start()
    time.sleep(delay)  # the moment itself is what is tested
    assert daemon.stop() in (0, -signal.SIGTERM)


def test_f11_when_the_daemon_is_killed_its_sidecar_dies_too(start: Start, backend: str) -> None:
    """Kill -9 of the daemon: no process of ours is left a moment later (asserted by the fixture)."""
    daemon = start("--backend", backend).wait_ready()
    assert daemon.stop(signal.SIGKILL) == -signal.SIGKILL


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["KILL", "TERM"])
def test_what_pages_have_started_ends_with_the_daemon(
    start: Start, backend: str, number: int
) -> None:
    """Children of the sidecar, in its group and outside of it, end with the daemon, however that ends."""
    daemon = start("--backend", backend, files={"app.py": apps.LEAVES_CHILDREN}).wait_ready()
    with StreamlitSession(daemon.port) as session:
        session.run("children")
        assert "two are running" in session.texts
    sleepers = [
        pid for pid in marked(daemon.mark) if Path(f"/proc/{pid}/comm").read_text() == "sleep\n"
    ]
    assert len(sleepers) == 2
    assert daemon.stop(number) == (0 if number == signal.SIGTERM else -number)


NAMESPACE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]


def _needs_namespaces() -> Sequence[str]:
    if (
        shutil.which("unshare") is None
        or subprocess.run([*NAMESPACE, "true"], check=False).returncode
    ):
        pytest.skip("PID namespaces are not permitted here (unshare --pid)")
    return NAMESPACE


def test_as_pid_1_it_stops_clean_and_passes_its_status_on(start: Start, backend: str) -> None:
    """In a PID namespace of its own, as in a container: serves, stops on TERM with 0."""
    daemon = start("--backend", backend, prefix=_needs_namespaces()).wait_ready()
    assert daemon.ask("/").status == 200
    init = next(pid for pid in marked(daemon.mark) if _pid_in_namespace(pid) == 1)
    os.kill(init, signal.SIGTERM)
    assert daemon.wait() == 0


def test_as_pid_1_a_configuration_error_is_still_78(start: Start) -> None:
    """The init passes on what the daemon returned."""
    daemon = start("no_such_module:app", prefix=_needs_namespaces())
    assert daemon.wait() == 78


def _pid_in_namespace(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    numbers = next(line for line in lines if line.startswith("NSpid:")).split()[1:]
    return int(numbers[-1]) if len(numbers) > 1 else 0


def _try(daemon: Daemon, path: str) -> None:
    with contextlib.suppress(OSError, http.client.HTTPException):
        daemon.ask(path, timeout=70)

"""The command and the environment of the sidecar."""

import os
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from fluxlit.config.service import ServiceSpec
from fluxlit.config.settings import Gateway, Kind, Settings, Sidecar, setting
from fluxlit.errors import TargetError
from fluxlit.sidecar.command import ENTRY, secret_variables, service

API = "http://127.0.0.1:8000/api"


def spec(settings: Settings | None = None, **environ: str) -> ServiceSpec:
    """The service for these settings in this environment."""
    return service(settings or Settings(), directory=Path("/srv"), api_base=API, environ=environ)


def option(spec: ServiceSpec, name: str) -> str | None:
    """The value of one flag of the command."""
    found = [each.partition("=")[2] for each in spec.argv if each.startswith(f"--{name}=")]
    return found[0] if found else None


def test_it_is_the_streamlit_of_this_python_with_our_script() -> None:
    """A virtual environment is kept; the probe looks for the body that only a server of Streamlit sends."""
    ui = spec()
    assert ui.name == "ui"
    assert ui.argv[:6] == (sys.executable, "-P", "-m", "streamlit", "run", str(ENTRY))
    assert (ui.directory, ui.ready_path, ui.ready_body) == ("/srv", "/_stcore/health", b"ok")
    assert ENTRY.is_file()


def test_the_daemons_promises_are_flags() -> None:
    """Flags win over the user's environment and .streamlit/config.toml."""
    assert {name: option(spec(), name) for name in PROMISES} == PROMISES


PROMISES = {
    "server.headless": "true",
    "server.address": "127.0.0.1",
    "server.port": "0",
    "server.baseUrlPath": "",
    "server.sslCertFile": "",
    "server.sslKeyFile": "",
    "server.enableCORS": "true",
    "server.enableXsrfProtection": "true",
    "server.enableWebsocketCompression": "false",
    "server.fileWatcherType": "none",
    "browser.gatherUsageStats": "false",
    "logger.enableRich": "false",
    "client.showErrorDetails": "none",
    "client.toolbarMode": "minimal",
}


def test_the_gateways_limits_are_streamlits_limits_rounded_up() -> None:
    """One setting for both; a megabyte begun is a megabyte."""
    gateway = replace(Gateway(), max_body=1, max_websocket_message=3 * 1024 * 1024 + 1)
    ui = spec(replace(Settings(), gateway=gateway))
    assert (option(ui, "server.maxUploadSize"), option(ui, "server.maxMessageSize")) == ("1", "4")


@pytest.mark.parametrize(
    ("url", "address", "port"),
    [
        ("", None, None),
        ("https://app.example.com", "app.example.com", "443"),
        ("http://app.example.com/x", "app.example.com", "80"),
        ("https://app.example.com:8443", "app.example.com", "8443"),
    ],
)
def test_the_public_address_is_passed_on(url: str, address: str | None, port: str | None) -> None:
    """Without it Streamlit names localhost:8501 to other origins."""
    ui = spec(replace(Settings(), gateway=replace(Gateway(), public_base_url=url)))
    assert (option(ui, "browser.serverAddress"), option(ui, "browser.serverPort")) == (
        address,
        port,
    )


def test_debug_shows_details() -> None:
    """And only debug does."""
    ui = spec(replace(Settings(), debug=True))
    assert option(ui, "client.showErrorDetails") == "full"
    assert ui.environment["FLUXLIT_DEBUG"] == "true"
    assert spec().environment["FLUXLIT_DEBUG"] == "false"


def test_the_users_arguments_come_last() -> None:
    """The last of two equal flags counts."""
    sidecar = replace(Sidecar(), run_args=("--theme.base=dark", "--client.toolbarMode=viewer"))
    assert spec(replace(Settings(), sidecar=sidecar)).argv[-2:] == sidecar.run_args


def test_the_environment_tells_the_sidecar_what_it_must_know() -> None:
    """Header limits for the big cookies of single sign-on, trust in the relay alone, our own names."""
    environment = spec(replace(Settings(), target="ui/main.py:app", title="Shop")).environment
    assert environment == {
        "MALLOC_ARENA_MAX": "2",
        "WEBSOCKETS_MAX_LINE_LENGTH": "65536",
        "WEBSOCKETS_MAX_NUM_HEADERS": "256",
        "FORWARDED_ALLOW_IPS": "127.0.0.1,::1",
        "PYTHONUNBUFFERED": "1",
        "STREAMLIT_LOGGER_HIDE_WELCOME_MESSAGE": "true",
        "STREAMLIT_SERVER_ENABLE_AGENT_API": "false",
        "FLUXLIT_APP": "/srv/ui/main.py:app",
        "FLUXLIT_API_PREFIX": "/api",
        "FLUXLIT_INTERNAL_API_BASE": API,
        "FLUXLIT_DEBUG": "false",
        "FLUXLIT_TITLE": "Shop",
    }


@pytest.mark.parametrize(
    "name",
    [
        "PORT",
        "WEB_CONCURRENCY",
        "NOTIFY_SOCKET",
        "LISTEN_FDS",
        "LISTEN_PID",
        "WATCHDOG_USEC",
        "UVICORN_PORT",
        "UVICORN_WS",
    ],
)
def test_what_was_meant_for_the_daemon_does_not_reach_the_child(name: str) -> None:
    """A second listener on the platform's port, or a second voice to systemd, would be wrong."""
    assert name not in spec(None, **{name: "1"}).environment


def test_the_users_own_variables_reach_the_child() -> None:
    """Pages need their database; a value the user chose for the allocator counts."""
    environment = spec(
        PATH="/bin", DATABASE_URL="x", STREAMLIT_THEME_BASE="dark", MALLOC_ARENA_MAX="4"
    ).environment
    for name, value in {
        "PATH": "/bin",
        "DATABASE_URL": "x",
        "STREAMLIT_THEME_BASE": "dark",
        "MALLOC_ARENA_MAX": "4",
    }.items():
        assert environment[name] == value


def test_a_user_without_a_home_gets_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A number that no passwd entry names, as container platforms assign; Streamlit would not start."""
    assert "HOME" not in spec().environment
    monkeypatch.setattr(os, "getuid", lambda: 2_000_000_000)
    assert spec().environment["HOME"] == "/tmp"
    assert spec(HOME="", TMPDIR="/scratch").environment["HOME"] == "/scratch"
    assert spec(HOME="/home/me").environment["HOME"] == "/home/me"


def test_an_inherited_trust_in_everybody_is_replaced() -> None:
    """FORWARDED_ALLOW_IPS=* would let browsers choose st.context.ip_address."""
    assert spec(FORWARDED_ALLOW_IPS="*").environment["FORWARDED_ALLOW_IPS"] == "127.0.0.1,::1"


@dataclass(frozen=True, slots=True)
class Guarded:
    """A group with a secret."""

    token: str = setting("", Kind.TEXT, "A secret", env=("GUARD_TOKEN",), secret=True)
    name: str = setting("", Kind.TEXT, "No secret")


@dataclass(frozen=True, slots=True)
class Secretive(Settings):
    """Settings that have grown a secret."""

    guarded: Guarded = field(default_factory=Guarded)


def test_no_secret_of_the_gateway_reaches_the_child() -> None:
    """Neither under its regular name, nor under an alias, nor the file it lies in."""
    names = {
        "FLUXLIT_GUARDED_TOKEN",
        "FLUXLIT_GUARDED_TOKEN_FILE",
        "GUARD_TOKEN",
        "GUARD_TOKEN_FILE",
    }
    assert secret_variables(Secretive) >= names
    environment = spec(
        Secretive(), FLUXLIT_GUARDED_NAME="x", **dict.fromkeys(names, "s3cret")
    ).environment
    assert "s3cret" not in environment.values()
    assert environment["FLUXLIT_GUARDED_NAME"] == "x"


def test_replicas_share_one_secret() -> None:
    """A login made at one of them is one at all; the user's own variable is read as the setting."""
    sidecar = Sidecar(replicas=3, cookie_secret="s3cret")
    ui = spec(replace(Settings(), sidecar=sidecar), STREAMLIT_SERVER_COOKIE_SECRET="overruled")
    assert ui.replicas == 3
    assert ui.environment["STREAMLIT_SERVER_COOKIE_SECRET"] == "s3cret"
    assert "s3cret" not in " ".join(ui.argv)
    assert spec(Settings()).replicas == 1
    assert "STREAMLIT_SERVER_COOKIE_SECRET" not in spec(Settings()).environment


def test_a_target_that_is_none_is_told_before_anything_is_started() -> None:
    """The command never carries nonsense."""
    with pytest.raises(TargetError):
        spec(replace(Settings(), target="my app"))


def test_streamlit_knows_every_flag() -> None:
    """An unknown flag would end the sidecar with status 2."""
    ui = spec(
        replace(Settings(), gateway=replace(Gateway(), public_base_url="https://x.example")),
        **os.environ,
    )
    done = subprocess.run(
        [*ui.argv, "--help"], env=dict(ui.environment), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for each in ui.argv[6:]:
        assert each.partition("=")[0] in done.stdout

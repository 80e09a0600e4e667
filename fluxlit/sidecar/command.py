"""The command and the environment of the Streamlit process: what the supervisor needs to run it.

Loaded by the daemon, so Streamlit itself is not imported. The options are flags, because a flag
wins over the user's environment and ``.streamlit/config.toml``, and the daemon's promises (loopback
only, XSRF and CORS protection on) must not depend on those. Only options that every supported
Streamlit knows (1.57 and later) are flags: an unknown flag ends the process with status 2.
"""

import os
import pwd
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from fluxlit.config.service import ServiceSpec
from fluxlit.config.settings import Settings
from fluxlit.config.table import read_table
from fluxlit.sidecar import variables
from fluxlit.target import absolute

ENTRY = Path(__file__).with_name("entry.py")

_MEGABYTE = 1024 * 1024

_NOT_FOR_THE_CHILD = frozenset({"PORT", "WEB_CONCURRENCY", "NOTIFY_SOCKET"})
"""What the platform tells the daemon: its port, its workers, its service manager's socket."""

_NOT_FOR_THE_CHILD_PREFIXES = ("UVICORN_", "LISTEN_", "WATCHDOG_")
"""Settings of a server that is not ours to inherit; sockets and watchdog of systemd (sd_listen_fds(3))."""

_FIXED = {
    # Without it a WebSocket handshake with one header line above 8192 bytes (cookies of a single
    # sign-on) hangs without an answer: measured with websockets 17.4, see streamlit pull 15492.
    "WEBSOCKETS_MAX_LINE_LENGTH": "65536",
    "WEBSOCKETS_MAX_NUM_HEADERS": "256",
    # The relay is the only peer; an inherited "*" would let browsers choose st.context.ip_address.
    "FORWARDED_ALLOW_IPS": "127.0.0.1,::1",
    "PYTHONUNBUFFERED": "1",
    # Asks nobody on the network for this machine's address while starting: 2 s without egress.
    "STREAMLIT_LOGGER_HIDE_WELCOME_MESSAGE": "true",
    "STREAMLIT_SERVER_ENABLE_AGENT_API": "false",
}
_DEFAULTS = {
    # glibc keeps up to 8 arenas a core for a process with many threads, as a Streamlit server is.
    "MALLOC_ARENA_MAX": "2",
}


def service(
    settings: Settings, *, directory: Path, api_base: str, environ: Mapping[str, str]
) -> ServiceSpec:
    """Describe the ``ui`` service: real ``streamlit run`` of our entry script on a loopback port of its choice.

    ``directory`` is the working directory and where a relative target is looked for, ``api_base``
    the address of the API for the pages, ``environ`` the environment of the daemon. Raises
    TargetError for a target that is none.
    """
    return ServiceSpec(
        name="ui",
        argv=(
            # -P: with the working directory first on the path, a user's email.py or token.py would be
            # imported by Streamlit itself. The target's folder joins the path when it is loaded.
            *(sys.executable, "-P", "-m", "streamlit", "run", str(ENTRY)),
            *(f"--{name}={value}" for name, value in _options(settings)),
            *settings.sidecar.run_args,
        ),
        environment=_environment(settings, directory, api_base, environ),
        directory=str(directory.resolve()),
        ready_path="/_stcore/health",
        ready_body=b"ok",
        replicas=settings.sidecar.replicas or 1,
    )


def _options(settings: Settings) -> Iterator[tuple[str, str]]:
    yield from _server_options(settings)
    yield from _browser_options(settings)
    # On by default where rich is installed, as it is with us: coloured boxes instead of tracebacks.
    yield "logger.enableRich", "false"
    # Parent frames of these origins may steer the page; Streamlit's default lists the clouds of its
    # vendor, where anybody can publish a page. run_args may add origins of one's own (RFC 2606 name).
    yield "client.allowedOrigins", "https://nobody.invalid"
    yield "client.showErrorDetails", "full" if settings.debug else "none"
    yield "client.showErrorLinks", "auto" if settings.debug else "false"
    yield "client.toolbarMode", "developer" if settings.debug else "minimal"


def _server_options(settings: Settings) -> Iterator[tuple[str, str]]:
    yield "server.headless", "true"
    yield "server.address", "127.0.0.1"
    yield "server.port", "0"
    yield "server.baseUrlPath", ""
    yield "server.sslCertFile", ""
    yield "server.sslKeyFile", ""
    yield "server.enableCORS", "true"
    yield "server.enableXsrfProtection", "true"
    yield "server.enableWebsocketCompression", "false"
    yield "server.maxUploadSize", _megabytes(settings.gateway.max_body)
    yield "server.maxMessageSize", _megabytes(settings.gateway.max_websocket_message)
    # Half a reload is worse than none: the API lives in the daemon and would stay as it was.
    yield "server.fileWatcherType", "none"


def _browser_options(settings: Settings) -> Iterator[tuple[str, str]]:
    yield "browser.gatherUsageStats", "false"
    public = urlsplit(settings.gateway.public_base_url)
    if public.hostname:
        yield "browser.serverAddress", public.hostname
        yield "browser.serverPort", str(public.port or (443 if public.scheme == "https" else 80))


def _megabytes(size: int) -> str:
    return str(-(-size // _MEGABYTE))


def _environment(
    settings: Settings, directory: Path, api_base: str, environ: Mapping[str, str]
) -> dict[str, str]:
    secrets = secret_variables(type(settings))
    inherited = {name: value for name, value in environ.items() if _is_inherited(name, secrets)}
    return {
        **_DEFAULTS,
        **inherited,
        **_home(inherited),
        **_FIXED,
        **_shared_secret(settings),
        variables.APP: absolute(settings.target, directory),
        variables.API_PREFIX: settings.gateway.api_prefix,
        variables.API_BASE: api_base,
        variables.DEBUG: "true" if settings.debug else "false",
        variables.TITLE: settings.title,
    }


def _shared_secret(settings: Settings) -> dict[str, str]:
    """What signs the cookies of a login: the same for all replicas, and for whoever follows them."""
    secret = settings.sidecar.cookie_secret
    return {variables.COOKIES_SIGNED_BY: secret} if secret else {}


def _home(environ: Mapping[str, str]) -> dict[str, str]:
    """A home for a user without one: Streamlit does not start where it finds none (measured)."""
    if environ.get("HOME"):
        return {}
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        return {"HOME": environ.get("TMPDIR") or "/tmp"}  # noqa: S108 - only a name to look below
    return {}


def _is_inherited(name: str, secrets: frozenset[str]) -> bool:
    ours = name in _NOT_FOR_THE_CHILD or name.startswith(_NOT_FOR_THE_CHILD_PREFIXES)
    return not ours and name not in secrets


def secret_variables(settings: type) -> frozenset[str]:
    """Every variable that may hold a secret of the gateway, or name the file that holds it."""
    names = {
        variable
        for row in read_table(settings).values()
        if row.about.secret
        for variable in row.variables
    }
    return frozenset(names | {f"{name}_FILE" for name in names})

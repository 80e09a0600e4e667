"""Every setting there is: one field each, and with it all that the rest is made from.

The loader, ``config/fluxlit.toml``, ``--help``, ``config show``, the JSON Schema and the table in
the docs all read these fields; nothing about a setting is written anywhere else. The TOML key is
``group.field`` (``field`` alone for Settings itself), the environment variable
``FLUXLIT_<GROUP>_<FIELD>`` plus the ``env`` aliases that users already know.

Standard library only: ``fluxlit healthcheck`` reads the same settings in well under 100 ms.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What a value must look like; config/kinds.py holds one parser for each."""

    TEXT = "text"
    FLAG = "flag"
    COUNT = "count"
    SECONDS = "seconds"
    BYTES = "bytes"
    PORT = "port"
    TEXTS = "list of texts"
    NETWORKS = "list of IP addresses or networks"
    ORIGINS = "list of origins"
    PREFIX = "path prefix"
    URL = "http(s) URL"
    TOTAL = "seconds or auto"
    NUMBER = "count or auto"
    CHOICE = "one of"
    TABLE = "table"


@dataclass(frozen=True, slots=True)
class About:
    """What the table says about one setting besides its name and default.

    ``env`` are full variable names in falling precedence, read besides the regular one.
    """

    kind: Kind
    help: str
    flag: str = ""
    env: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    secret: bool = False
    reloadable: bool = False


def setting(default: Any, kind: Kind, help: str, **more: Any) -> Any:  # noqa: A002, ANN401 - as dataclasses.field
    """Declare one setting: its default and what About says of it."""
    return field(default=default, metadata={"about": About(kind, help, **more)})


@dataclass(frozen=True, slots=True)
class Gateway:
    """The public side."""

    host: str = setting(
        "127.0.0.1",
        Kind.TEXT,
        "Address to listen on; 0.0.0.0 when the port comes from PORT and no host is set",
        flag="--host",
        env=("FLUXLIT_GATEWAY_HOST",),
    )
    port: int = setting(
        8000,
        Kind.PORT,
        "Port to listen on; 0 takes a free one",
        flag="--port",
        env=("FLUXLIT_GATEWAY_PORT", "PORT"),
    )
    uds: str = setting(
        "",
        Kind.TEXT,
        "Unix socket to listen on instead of host and port",
        flag="--uds",
    )
    fd: int = setting(
        0,
        Kind.COUNT,
        "Inherited socket (a descriptor) to listen on instead; 0: none",
        flag="--fd",
        least=0,
    )
    root_path: str = setting(
        "",
        Kind.PREFIX,
        "Public path below which everything is served, e.g. /content/123",
        flag="--root-path",
        env=("FLUXLIT_ROOT_PATH", "STREAMLIT_PUBLIC_PATH"),
    )
    api_prefix: str = setting(
        "/api",
        Kind.PREFIX,
        "Path of the FastAPI app below root_path",
        env=("FLUXLIT_API_MOUNT_PATH",),
    )
    trust_proxy: bool = setting(
        False,
        Kind.FLAG,
        "Believe forwarding headers of the peers in forwarded_allow_ips",
        flag="--proxy-headers/--no-proxy-headers",
        env=("FLUXLIT_TRUST_PROXY",),
    )
    forwarded_allow_ips: tuple[str, ...] = setting(
        (),
        Kind.NETWORKS,
        "Proxies to believe: IP addresses or CIDRs; * must be written out",
        flag="--forwarded-allow-ips",
        env=("FLUXLIT_FORWARDED_ALLOW_IPS",),
    )
    public_base_url: str = setting(
        "",
        Kind.URL,
        "The address users type, e.g. https://app.example.com",
        env=("FLUXLIT_PUBLIC_BASE_URL",),
    )
    allowed_origins: tuple[str, ...] = setting(
        (), Kind.ORIGINS, "Origins besides our own that may open WebSockets and upload"
    )
    allowed_hosts: tuple[str, ...] = setting(
        (),
        Kind.TEXTS,
        "Hosts to answer for, e.g. app.example.com or *.example.com; none listed: any",
    )
    keep_alive_timeout: float = setting(
        75.0,
        Kind.SECONDS,
        "Idle life of a client connection; above a load balancer's 60 s",
        least=1,
    )
    max_connections: int = setting(1000, Kind.COUNT, "Client connections at once", least=1)
    max_connections_per_address: int = setting(
        500,
        Kind.COUNT,
        "Client connections of one address, trusted proxies excepted; 0: no limit",
        least=0,
    )
    max_body: int = setting(
        209_715_200,
        Kind.BYTES,
        "Largest request body towards the UI; also Streamlit's upload limit",
        least=1,
    )
    max_websocket_message: int = setting(
        209_715_200, Kind.BYTES, "Largest WebSocket message, both ways", least=1
    )


@dataclass(frozen=True, slots=True)
class Relay:
    """Between the gateway and the sidecar."""

    connect_timeout: float = setting(2.0, Kind.SECONDS, "Opening a connection", least=0.01)
    head_timeout: float = setting(
        120.0, Kind.SECONDS, "From the request to the head of the answer; then 504", least=0.01
    )
    idle_timeout: float = setting(120.0, Kind.SECONDS, "Between two pieces of a body", least=0.01)
    keep_alive: float = setting(
        2.0,
        Kind.SECONDS,
        "Idle life of a pooled connection; below Streamlit's 5 s",
        least=0,
        most=4.5,
    )
    max_connections: int = setting(100, Kind.COUNT, "Connections to one instance at once", least=1)
    websocket_open_timeout: float = setting(
        5.0, Kind.SECONDS, "WebSocket handshake with the sidecar", least=0.01
    )
    websocket_ping_interval: float = setting(
        20.0, Kind.SECONDS, "Between pings, on both sides", least=0.01
    )
    websocket_ping_timeout: float = setting(
        60.0, Kind.SECONDS, "Until a silent peer counts as gone", least=0.01
    )
    websocket_close_timeout: float = setting(2.0, Kind.SECONDS, "Closing handshake", least=0.01)
    park_timeout: float = setting(
        10.0,
        Kind.SECONDS,
        "How long a request waits for an instance before the waiting page",
        least=0,
    )
    park_limit: int = setting(
        200, Kind.COUNT, "Requests that wait at once; more are answered at once", least=0
    )


@dataclass(frozen=True, slots=True)
class Assets:
    """Streamlit's own page and scripts, served by the daemon itself."""

    enabled: bool = setting(
        True,
        Kind.FLAG,
        "Serve them packed (br, zstd, gzip) and lasting, also while Streamlit restarts",
    )
    memory: int = setting(
        16_777_216,
        Kind.BYTES,
        "What is kept of them; a page needs 1 MB, all of Streamlit's files packed are 9 MB",
        least=0,
    )


@dataclass(frozen=True, slots=True)
class Sidecar:
    """The Streamlit process and how it is kept alive."""

    replicas: int | None = setting(
        1,
        Kind.NUMBER,
        "Streamlit processes that share the sessions; auto: one for each CPU we may use",
        least=1,
        most=256,
    )
    cookie_secret: str = setting(
        "",
        Kind.TEXT,
        "Signs cookies of logins and of affinity; empty: a new one at each start",
        env=("STREAMLIT_SERVER_COOKIE_SECRET",),
        secret=True,
    )
    run_args: tuple[str, ...] = setting(
        (),
        Kind.TEXTS,
        "Further arguments of `streamlit run`",
        env=("FLUXLIT_STREAMLIT_RUN_CLI_ARGS",),
    )
    start_timeout: float = setting(
        60.0, Kind.SECONDS, "From the start to the first passed probe", least=0.1
    )
    stop_timeout: float = setting(
        5.0, Kind.SECONDS, "From TERM to KILL of the process group", least=0
    )
    probe_interval: float = setting(
        0.1, Kind.SECONDS, "Between start-up probes, growing to 1 s", least=0.01
    )
    probe_timeout: float = setting(1.0, Kind.SECONDS, "One start-up probe", least=0.01)
    readiness_interval: float = setting(1.0, Kind.SECONDS, "Between readiness probes", least=0.05)
    readiness_timeout: float = setting(2.0, Kind.SECONDS, "One readiness probe", least=0.05)
    readiness_failures: int = setting(
        3, Kind.COUNT, "Failures in a row until no new request is sent there", least=1
    )
    readiness_successes: int = setting(
        2, Kind.COUNT, "Passes in a row until it is ready again", least=1
    )
    liveness_interval: float = setting(10.0, Kind.SECONDS, "Between liveness probes", least=0.05)
    liveness_timeout: float = setting(3.0, Kind.SECONDS, "One liveness probe", least=0.05)
    liveness_failures: int = setting(6, Kind.COUNT, "Failures in a row that make it hung", least=1)
    busy_patience: float = setting(
        120.0, Kind.SECONDS, "How long a process that burns CPU may fail liveness", least=0
    )
    min_uptime: float = setting(
        60.0, Kind.SECONDS, "Ready for this long, the next failure restarts at once", least=0
    )
    min_ready: float = setting(
        5.0, Kind.SECONDS, "Ready for this long, a new generation replaces the old one", least=0
    )
    drain: float = setting(
        5.0,
        Kind.SECONDS,
        "Over this long, sessions of a replaced process are told to come again",
        least=0,
    )
    backoff_first: float = setting(
        0.5, Kind.SECONDS, "First delay between restarts; doubles", least=0.01
    )
    backoff_longest: float = setting(
        30.0, Kind.SECONDS, "Longest delay between restarts", least=0.01
    )
    start_limit: int = setting(
        5, Kind.COUNT, "Failures within start_window until giving up", least=1
    )
    start_window: float = setting(300.0, Kind.SECONDS, "See start_limit", least=1)
    on_give_up: str = setting(
        "exit",
        Kind.CHOICE,
        "exit: the daemon ends with 69; hold: stays, answers 503, tries again",
        choices=("exit", "hold"),
    )
    hold_retry: float = setting(300.0, Kind.SECONDS, "Between tries when holding", least=0.1)


@dataclass(frozen=True, slots=True)
class Shutdown:
    """From the first TERM to the exit."""

    total: float | None = setting(
        None, Kind.TOTAL, "All of it; auto: 25 s, or what the platform grants", least=1
    )
    lame_duck: float = setting(
        0.0, Kind.SECONDS, "Serve on with readyz 503 so that a load balancer can look away", least=0
    )


@dataclass(frozen=True, slots=True)
class Log:
    """What is written to standard output."""

    level: str = setting(
        "info",
        Kind.CHOICE,
        "Least important level that is written",
        flag="--log-level",
        choices=("debug", "info", "warning", "error", "critical"),
        reloadable=True,
    )
    format: str = setting(
        "auto",
        Kind.CHOICE,
        "auto: console on a terminal, else json",
        flag="--log-format",
        choices=("auto", "console", "json"),
    )
    access: bool = setting(
        True,
        Kind.FLAG,
        "One line for each request; probes of health are left out",
        flag="--access-log/--no-access-log",
        env=("FLUXLIT_ENABLE_GATEWAY_ACCESS_LOG",),
        reloadable=True,
    )
    redact: tuple[str, ...] = setting((), Kind.TEXTS, "Further query parameters never to log")


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole configuration."""

    target: str = setting(
        "app:app",
        Kind.TEXT,
        "The application: module:attribute or path/file.py:attribute",
        env=("FLUXLIT_APP",),
    )
    title: str = setting("FluxLit", Kind.TEXT, "Title of the API and the pages")
    backend: str = setting(
        "asyncio",
        Kind.CHOICE,
        "Event loop: asyncio (with uvloop) or trio",
        flag="--backend",
        choices=("asyncio", "trio"),
    )
    debug: bool = setting(
        False,
        Kind.FLAG,
        "Show details of errors to users and in the log",
        flag="--debug/--no-debug",
    )
    state_dir: str = setting(
        "",
        Kind.TEXT,
        "Folder for the lock and the control socket; empty: a private one is made",
        flag="--state-dir",
    )
    gateway: Gateway = field(default_factory=Gateway)
    relay: Relay = field(default_factory=Relay)
    assets: Assets = field(default_factory=Assets)
    sidecar: Sidecar = field(default_factory=Sidecar)
    shutdown: Shutdown = field(default_factory=Shutdown)
    log: Log = field(default_factory=Log)

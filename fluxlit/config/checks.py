"""What no single value can tell: settings that do not go together.

A check names the settings it reads, the one to blame first; it is skipped when one of them is
wrong by itself already, so that one mistake is reported once.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from fluxlit.config.settings import Settings
from fluxlit.config.sources import Origin, Source, show
from fluxlit.config.table import TABLE, value_of
from fluxlit.errors import Problem

# Streamlit's own routes and ours; an API there would hide them. /app/static serves files of the
# app (server.enableStaticServing), /auth and /oauth2callback its st.login.
RESERVED = (
    "/_stcore",
    "/_fluxlit",
    "/static",
    "/media",
    "/component",
    "/app/static",
    "/auth",
    "/oauth2callback",
    "/favicon.png",
    "/manifest.json",
)

# What `shutdown.total = "auto"` is unless the platform grants another time.
AUTO_TOTAL = 25.0

# Arguments of `streamlit run` that would break the sidecar or its protection, in lower case.
_OURS = frozenset(
    f"--server.{name}"
    for name in ("port", "address", "baseurlpath", "headless", "sslcertfile", "sslkeyfile")
)
_PROTECTION = frozenset({"--server.enablexsrfprotection", "--server.enablecors"})

Verdict = tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class Check:
    """``judge`` returns what was expected and a hint if the settings ``keys`` do not go together."""

    keys: tuple[str, ...]
    judge: Callable[[Settings], Verdict]


def cross_check(
    settings: Settings, origins: Mapping[str, Origin], wrong: Iterable[str]
) -> Iterator[Problem]:
    """Report every combination that cannot work; ``wrong`` are keys with a Problem of their own."""
    excluded = set(wrong)
    for check in CHECKS:
        verdict = None if excluded & set(check.keys) else check.judge(settings)
        if verdict is not None:
            expected, hint = verdict
            found = show(value_of(settings, TABLE[check.keys[0]]))
            yield Problem(_place(check.keys, origins), found, expected, hint)


def _place(keys: tuple[str, ...], origins: Mapping[str, Origin]) -> str:
    """Where somebody set the first of the settings, else where the next one was set."""
    for key in keys:
        origin = origins[key]
        if origin.source is not Source.DEFAULT:
            return origin.place if key == keys[0] else f"{keys[0]} (with {origin.place})"
    return keys[0]


def remarks(settings: Settings) -> Iterator[str]:
    """What is allowed and probably not meant."""
    gateway = settings.gateway
    if gateway.public_base_url:
        path = urlsplit(gateway.public_base_url).path
        if path != gateway.root_path:
            yield (
                f"gateway.public_base_url has the path {path or '/'}, "
                f"but gateway.root_path is {gateway.root_path or '/'}"
            )
    if gateway.forwarded_allow_ips and not gateway.trust_proxy:
        yield "gateway.forwarded_allow_ips has no effect while gateway.trust_proxy is off"
    if gateway.trust_proxy and "*" in gateway.forwarded_allow_ips:
        yield "gateway.forwarded_allow_ips = *: every client can claim any address and host"


def _host(settings: Settings) -> Verdict:
    host = settings.gateway.host
    if not host or any(mark in host for mark in " /@?#[]") or host.count(":") == 1:
        return "a host name or an IP address", "without scheme, brackets and port"
    return None


def _target(settings: Settings) -> Verdict:
    expected = "module:attribute or path/file.py:attribute"
    return None if settings.target.strip() else (expected, "")


def _one_address(settings: Settings) -> Verdict:
    both = settings.gateway.fd and settings.gateway.uds
    return ("either gateway.fd or gateway.uds", "set one of them") if both else None


def _trust(settings: Settings) -> Verdict:
    gateway = settings.gateway
    # The peers of a Unix socket have no address; whoever may open its file is the proxy.
    if gateway.trust_proxy and not gateway.forwarded_allow_ips and not gateway.uds:
        hint = "set gateway.forwarded_allow_ips, e.g. 10.0.0.0/8; * if only proxies can reach it"
        return "the proxies to believe", hint
    return None


def _api_prefix(settings: Settings) -> Verdict:
    prefix = settings.gateway.api_prefix
    if not prefix:
        return "a path such as /api", "the pages are served at /"
    for reserved in RESERVED:
        if _within(prefix, reserved) or _within(reserved, prefix):
            return "a path of its own", f"{reserved} is in use by Streamlit or FluxLit"
    return None


def _root_path(settings: Settings) -> Verdict:
    """A proxy may strip root_path or keep it, so both readings of a path must be told apart."""
    root, api = settings.gateway.root_path, settings.gateway.api_prefix
    if root and (_within(root, api) or _within(api, root) or root.endswith(api)):
        hint = "a request for the API could not be told from one for a page; change one of them"
        return f"a path that does not clash with gateway.api_prefix {api}", hint
    return None


def _within(path: str, parent: str) -> bool:
    return path == parent or path.startswith(f"{parent}/")


def _lame_duck(settings: Settings) -> Verdict:
    shutdown = settings.shutdown
    total = AUTO_TOTAL if shutdown.total is None else shutdown.total
    if shutdown.lame_duck >= total:
        return f"less than shutdown.total, {total:g}", "nothing would be left to stop in"
    return None


def _backoff(settings: Settings) -> Verdict:
    first, longest = settings.sidecar.backoff_first, settings.sidecar.backoff_longest
    return (f"at most sidecar.backoff_longest, {longest:g}", "") if first > longest else None


def _start_limit(settings: Settings) -> Verdict:
    """Delays that outlast the window would let a broken app restart for ever."""
    sidecar = settings.sidecar
    left, delays, delay = sidecar.start_limit - 1, 0.0, sidecar.backoff_first
    while left and delay < sidecar.backoff_longest:
        left, delays, delay = left - 1, delays + delay, delay * 2
    if delays + left * sidecar.backoff_longest < sidecar.start_window:
        return None
    hint = "the delays between starts alone are longer, so it would never give up"
    return f"few enough for sidecar.start_window, {sidecar.start_window:g} s", hint


def _probe_interval(settings: Settings) -> Verdict:
    start = settings.sidecar.start_timeout
    late = settings.sidecar.probe_interval >= start
    return (f"less than sidecar.start_timeout, {start:g}", "") if late else None


def _ping(settings: Settings) -> Verdict:
    timeout = settings.relay.websocket_ping_timeout
    late = settings.relay.websocket_ping_interval > timeout
    return (f"at most relay.websocket_ping_timeout, {timeout:g}", "") if late else None


def _run_args(settings: Settings) -> Verdict:
    arguments = settings.sidecar.run_args
    for position, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        name = name.lower()
        following = arguments[position + 1] if position + 1 < len(arguments) else ""
        if name in _OURS:
            return f"arguments without {argument}", "FluxLit sets it; users see gateway.* alone"
        if name in _PROTECTION and (value if equals else following).lower() != "true":
            return f"arguments without {argument}", "XSRF and CORS protection stay on"
    return None


CHECKS: tuple[Check, ...] = (
    Check(("target",), _target),
    Check(("gateway.host",), _host),
    Check(("gateway.trust_proxy", "gateway.forwarded_allow_ips", "gateway.uds"), _trust),
    Check(("gateway.fd", "gateway.uds"), _one_address),
    Check(("gateway.api_prefix",), _api_prefix),
    Check(("gateway.root_path", "gateway.api_prefix"), _root_path),
    Check(("relay.websocket_ping_interval", "relay.websocket_ping_timeout"), _ping),
    Check(("sidecar.run_args",), _run_args),
    Check(("sidecar.probe_interval", "sidecar.start_timeout"), _probe_interval),
    Check(("sidecar.backoff_first", "sidecar.backoff_longest"), _backoff),
    Check(
        (
            "sidecar.start_limit",
            "sidecar.start_window",
            "sidecar.backoff_first",
            "sidecar.backoff_longest",
        ),
        _start_limit,
    ),
    Check(("shutdown.lame_duck", "shutdown.total"), _lame_duck),
)

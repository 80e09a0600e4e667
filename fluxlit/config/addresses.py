"""Path prefixes, URLs, origins and networks: the settings that name places on the net."""

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

from fluxlit.config.invalid import InvalidValue

_PREFIX = "a path such as /content/123"
_NETWORK = "an IP address, a network such as 10.0.0.0/8, or *"
_ORIGIN = "an origin such as https://app.example.com"
_URL = "an address such as https://app.example.com"

# RFC 3986 section 3.3 pchar without percent-encoding, and without ";" because the prefix becomes
# the Path attribute of cookies (RFC 6265 section 4.1.1), which ends there.
_SEGMENT = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,=:@]+")

_REFUSED = (
    ("://", "no scheme or host: write the path alone"),
    ("//", "an empty segment (//) is read as a host by browsers"),
    ("?", "no query: ? cannot be part of a path"),
    ("#", "no fragment: # cannot be part of a path"),
    ("%", "no percent-encoding: proxies decode it differently"),
    ("\\", "no backslash: browsers turn it into /"),
    (";", "; would end the Path of cookies"),
    (" ", "no spaces"),
)

_DEFAULT_PORTS = {"http": 80, "https": 443}


def path_prefix(text: str) -> str:
    """Normalise a prefix to ``""`` or ``/a/b``: the leading slash is added, the last one removed.

    Refused is whatever front proxies, browsers and ASGI servers are known to read differently.
    """
    if text in {"", "/"}:
        return ""
    _refuse_by_character(text)
    if not text.startswith("/") and ":" in text.split("/", 1)[0]:
        raise InvalidValue(_PREFIX, "no scheme or host: write the path alone")
    segments = text.removeprefix("/").removesuffix("/").split("/")
    for segment in segments:
        _check_segment(segment)
    return "/" + "/".join(segments)


def _refuse_by_character(text: str) -> None:
    for part, reason in _REFUSED:
        if part in text:
            raise InvalidValue(_PREFIX, reason)
    if not text.isascii():
        raise InvalidValue(
            _PREFIX, "ASCII only: other letters are encoded differently by each proxy"
        )
    if not text.isprintable():
        raise InvalidValue(_PREFIX, "no control characters")


def _check_segment(segment: str) -> None:
    if segment in {".", ".."}:
        raise InvalidValue(_PREFIX, f"no dot segments: browsers resolve {segment!r} themselves")
    if not _SEGMENT.fullmatch(segment):
        raise InvalidValue(_PREFIX, "letters, digits and -._~!$&'()*+,=:@ only")


def network(text: str) -> str:
    """Check one proxy to believe; the spelling is made canonical."""
    if text == "*":
        return text
    try:
        return str(ipaddress.ip_network(text) if "/" in text else ipaddress.ip_address(text))
    except ValueError as exc:
        raise InvalidValue(_NETWORK, _network_hint(text, exc)) from exc


def _network_hint(text: str, reason: ValueError) -> str:
    try:
        return f"did you mean {ipaddress.ip_network(text, strict=False)}?"
    except ValueError:
        return str(reason)


def origin(text: str) -> str:
    """Check an origin (RFC 6454): scheme and host in lower case, without the default port."""
    parts = _split(text, _ORIGIN)
    if parts.path not in {"", "/"}:
        raise InvalidValue(_ORIGIN, "no path: an origin is scheme, host and port")
    return f"{parts.scheme}://{_host(parts, _ORIGIN)}"


def url(text: str) -> str:
    """Check the public address: http or https, with an optional path; ``""`` is none."""
    if not text:
        return ""
    parts = _split(text, _URL)
    return f"{parts.scheme}://{_host(parts, _URL)}{path_prefix(parts.path)}"


def _split(text: str, expected: str) -> SplitResult:
    if not text.isascii() or not text.isprintable() or " " in text or "\\" in text:
        raise InvalidValue(expected, "printable ASCII without spaces; write other hosts as xn--…")
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as exc:
        raise InvalidValue(expected, str(exc)) from exc
    if parts.scheme not in _DEFAULT_PORTS:
        raise InvalidValue(expected, "http:// or https:// in front")
    if "?" in text or "#" in text or "@" in parts.netloc:
        raise InvalidValue(expected, "no user name, query or fragment")
    return parts


def _host(parts: SplitResult, expected: str) -> str:
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    elif not re.fullmatch(r"[a-z0-9]([a-z0-9._-]*[a-z0-9.])?", host):
        raise InvalidValue(expected, "a host name or an IP address after //")
    standard = parts.port is None or parts.port == _DEFAULT_PORTS[parts.scheme]
    return host if standard else f"{host}:{parts.port}"

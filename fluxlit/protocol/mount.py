"""The path of a request: one canonical form, with the public mount taken off; pure.

Routing and the service must read a path alike, or one of them guards a door that the other does not
use. Streamlit decodes a path once and matches that; so the rules here look at both forms, and the
bytes that go up are exactly the bytes that were judged.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from fluxlit.protocol.refusal import Refusal, malformed

MAX_TARGET = 8192
"""Bytes of path and query together (RFC 9110 15.5.15)."""

_VISIBLE = re.compile(rb"[\x21-\x7e]*")
_ABSOLUTE = re.compile(rb"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)(.*)")
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_FORBIDDEN = re.compile(rb"[\x00-\x1f\x7f\\]")


@dataclass(frozen=True, slots=True)
class Path:
    """A path below the mount: ``raw`` as it came, ``text`` decoded once, and the public ``mount``.

    ``bare`` tells the mount itself without its slash, which no relative link can start from.
    """

    raw: bytes
    text: str
    mount: str
    bare: bool = False


def origin_form(raw: bytes, host: str) -> bytes:
    """The path of a target that may be in absolute form (RFC 9112 3.2.2).

    Raises Refusal: 400 for a scheme that is not ours, 421 for an authority other than ``host``.
    """
    absolute = _ABSOLUTE.fullmatch(raw)
    if not absolute:
        return raw
    scheme, authority, path = absolute[1].lower(), absolute[2].lower(), absolute[3]
    if scheme not in {b"http", b"https"}:
        raise malformed("The request's target has a scheme that is not served here.")
    default = b":443" if scheme == b"https" else b":80"
    if authority.removesuffix(default) != host.lower().encode().removesuffix(default):
        raise Refusal(421, "The request's target names another host.", severs=True)
    return path if path.startswith(b"/") else b"/" + path


def check(raw: bytes, query: bytes = b"") -> str:
    """The decoded path; raises Refusal 414 or 400 for one that cannot be read in one way only.

    Allowed are encoded slashes, percents, question marks and hashes: they reach the service as they
    are. Refused are control characters and backslashes in any form, broken escapes, bytes that are
    not UTF-8, empty segments, and dot segments, hidden behind an encoded slash or not.
    """
    if len(raw) + len(query) > MAX_TARGET:
        raise Refusal(414, "The request's target is too long.", severs=True)
    if not raw.startswith(b"/") or not _VISIBLE.fullmatch(raw) or not _VISIBLE.fullmatch(query):
        raise malformed("The request's target is not a path.")
    if b"#" in raw or b"?" in raw or b"//" in raw or _BAD_ESCAPE.search(raw):
        raise malformed("The path has an empty segment, a fragment or a broken escape.")
    decoded = unquote_to_bytes(raw)
    if _FORBIDDEN.search(decoded) or {b".", b".."} & set(decoded.split(b"/")):
        raise malformed("The path has a dot segment, a backslash or a control character.")
    try:
        return decoded.decode("utf-8")
    except UnicodeDecodeError as error:
        raise malformed("The path is not UTF-8.") from error


def locate(raw: bytes, text: str, *, root_path: str, prefix: str = "") -> Path:
    """Take the mount off a checked path, if it is there: proxies strip it or keep it.

    ``prefix`` is what a trusted proxy says it cut off. It is the public mount then, together with
    the ``root_path`` that is still in the path, if that is another one.
    """
    for mount in dict.fromkeys((prefix, root_path)):
        if mount and (raw == mount.encode() or raw.startswith(mount.encode() + b"/")):
            public = mount if mount == prefix else prefix + mount
            rest = raw[len(mount) :]
            below = unquote_to_bytes(rest).decode("utf-8")
            return Path(rest or b"/", below or "/", public, bare=not rest)
    return Path(raw, text, prefix or root_path)

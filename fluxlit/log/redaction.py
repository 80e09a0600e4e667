"""What must never be written: values under secret keys, secret URL parameters, session ids in paths.

Pure functions. They err on the side of hiding: a log line that hides too much costs a question,
one that hides too little costs a session.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import unquote

MARK = "***"

# Parts of a key (lower case, dashes as underscores) that make its value a secret.
SECRET_PARTS = (
    "authorization", "cookie", "token", "secret", "password", "passwd", "passphrase", "xsrf", "csrf",
    "sec_websocket_protocol", "session_id", "sessionid", "fluxlit_sid", "auth_code", "api_key", "apikey",
    "private_key", "credential",
)  # fmt: skip
# Keys that are secrets only as a whole word: "sessions" is a count that operators need.
SECRET_KEYS = frozenset({"session", "sid", "jwt", "connect_sid"})

SECRET_PARAMETERS = frozenset(
    {
        "fluxlit_sid", "auth_code", "code", "state", "token", "access_token", "id_token", "api_key",
        "apikey", "key", "password", "secret", "signature", "sig",
    }
)  # fmt: skip

_UPLOAD = re.compile(r"(?i)(_stcore/upload_file/)[^/\s?\"']+")
_BEARER = re.compile(r"(?i)\b(bearer[ \t]+)[\w.~+/=-]{8,}")
_HEADER = re.compile(
    r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie|x-xsrftoken|sec-websocket-protocol)"
    r"([\"']?[ \t]*[:=,][ \t]*b?[\"']?)[^\r\n\"']+"
)

# A mapping that somebody printed: {"db_password": "x"}, {'token': 'x'}. The repetitions are bounded:
# without that, a text of "tokentokentoken…" takes quadratic time.
_ENTRY = re.compile(
    r"(?i)([\"'][\w-]{0,40}(?:token|secret|password|passphrase|cookie|authorization|api_?key|session_?id)"
    r"[\w-]{0,40}[\"']\s{0,9}:\s{0,9}b?)(?:\"[^\"]*\"?|'[^']*'?|[\w.+-]+)"
)
# One of these stands in every match of the patterns above; most texts of a log have none.
_MARKS_OF_HEADERS = frozenset(" \t:=,")


@lru_cache(maxsize=4096)
def is_secret_key(key: str) -> bool:
    """Whether the value under this key must not be written; case, dashes and spaces do not matter."""
    name = key.strip().lower().replace("-", "_").replace(" ", "_")
    return name in SECRET_KEYS or any(part in name for part in SECRET_PARTS)


def _text(raw: bytes | str) -> str:
    return raw if isinstance(raw, str) else raw.decode("utf-8", "backslashreplace")


def redact_path(raw_path: bytes | str) -> str:
    """The path with the session id of /_stcore/upload_file/{session}/{file} hidden, at any prefix.

    Percent-encoded spellings count, because Streamlit decodes them as well.
    """
    parts = _text(raw_path).split("/")
    plain = [unquote(part).lower() for part in parts]
    for place in range(len(parts) - 2):
        if plain[place : place + 2] == ["_stcore", "upload_file"] and parts[place + 2]:
            parts[place + 2] = MARK
    return "/".join(parts)


@dataclass(frozen=True)
class Redaction:
    """Hides secrets in queries and in free text; ``further`` names are added to SECRET_PARAMETERS."""

    further: Iterable[str] = ()
    names: frozenset[str] = field(init=False)
    _pattern: re.Pattern[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        names = SECRET_PARAMETERS | {name.strip().lower() for name in self.further}
        object.__setattr__(self, "names", names)
        longest_first = sorted(map(re.escape, names), key=len, reverse=True)
        pattern = rf"(?i)([?&](?:{'|'.join(longest_first)})=)[^&\s\"'<>]+"
        object.__setattr__(self, "_pattern", re.compile(pattern))

    def query(self, query: bytes | str) -> str:
        """The query string with the values of secret parameters hidden; the rest stays verbatim."""
        return "&".join(self._pair(pair) for pair in _text(query).split("&"))

    def text(self, text: str) -> str:
        """Free text with secrets hidden in what looks like a URL, a header or a bearer token."""
        if "=" in text:
            text = self._pattern.sub(rf"\1{MARK}", text)
        if "_stcore/" in text:
            text = _UPLOAD.sub(rf"\1{MARK}", text)
        if _MARKS_OF_HEADERS.isdisjoint(text):
            return text
        text = _ENTRY.sub(rf"\1{MARK}", text) if '":' in text or "':" in text else text
        return _HEADER.sub(rf"\1\2{MARK}", _BEARER.sub(rf"\1{MARK}", text))

    def _pair(self, pair: str) -> str:
        # Some servers also split at ";". From the first secret on all is hidden up to the next "&",
        # because a secret may itself contain a ";".
        kept: list[str] = []
        for piece in pair.split(";"):
            name, equals, _ = piece.partition("=")
            if equals and self._secret(name):
                return ";".join([*kept, f"{name}={MARK}"])
            kept.append(piece)
        return pair

    def _secret(self, name: str) -> bool:
        plain = unquote(name.replace("+", " ")).strip().lower()
        return plain.partition("[")[0] in self.names

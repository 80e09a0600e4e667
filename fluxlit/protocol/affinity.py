"""Which instance of a service gets the next request, and how it is known again; pure.

A session of Streamlit lives in one process. Its id (a random UUID) is what ties a request to that
process: the browser sends it as the third item of Sec-WebSocket-Protocol when it comes back, and in
the path of its uploads. It is minted by the sidecar and reaches the browser in the first message of
a run, so it is overheard there. Files that a session shows have no id in their path, only a hash of
their content: they are asked for at the instance of the affinity cookie first, then everywhere.
"""

import hmac
import re
from base64 import urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

from fluxlit.protocol.headers import Headers, values
from fluxlit.status import InstanceStatus

COOKIE = b"_fluxlit_affinity"
UPLOADS = b"/_stcore/upload_file/"
SHARED = (b"/media/", b"/component/", b"/_stcore/bidi-components/")
"""What a run of a script registers in its process, at addresses that say nothing of the session."""
SESSIONS = 8192
"""Sessions that are remembered: Streamlit keeps 128 disconnected ones, and a gateway serves a thousand."""
HEARD = 4
"""Ids that are taken from one message; there is one, but what a user is called may look like one."""

_UUID = rb"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_ID = re.compile(_UUID)
# A string of 36 bytes in a protobuf message: its length, then itself.
_ANNOUNCED = re.compile(rb"\x24(" + _UUID + rb")")


def choose(
    ready: Sequence[InstanceStatus], sessions: Callable[[str], int], *, generation: int
) -> InstanceStatus | None:
    """The ready instance with the fewest sessions; None if there is none.

    Another than the live ``generation`` serves only when nothing of that one is ready: it has not
    proved itself yet, or is about to leave.
    """
    if not ready:
        return None
    live = [instance for instance in ready if instance.generation == generation]
    return min(live or ready, key=lambda instance: (sessions(instance.id), instance.slot))


class Sessions:
    """Which session lives on which instance; the least recently used are forgotten first.

    The first word counts as long as its instance lives: a session never moves, so whatever says
    otherwise (a user who bears another's id as a name) is no session.
    """

    def __init__(self, limit: int = SESSIONS) -> None:
        self._limit = limit
        self._places: OrderedDict[bytes, str] = OrderedDict()

    def __len__(self) -> int:
        return len(self._places)

    def learn(self, session: bytes, instance: str, alive: Callable[[str], bool]) -> None:
        """The session lives on the instance, unless it is known to live on another one."""
        known = self._places.get(session)
        if known is None or not alive(known):
            self._places[session] = instance
        self._places.move_to_end(session)
        while len(self._places) > self._limit:
            self._places.popitem(last=False)

    def find(self, session: bytes | None) -> str | None:
        """The instance of the session, if it is known."""
        if session is None or session not in self._places:
            return None
        self._places.move_to_end(session)
        return self._places[session]


class Tokens:
    """Names of instances that say nothing and that nobody else can make: HMAC-SHA256 of their ids."""

    def __init__(self, secret: bytes) -> None:
        # One secret signs Streamlit's cookies as well; a key of its own keeps the two apart.
        self._key = hmac.digest(secret, b"fluxlit affinity", sha256)

    def token(self, instance: str) -> bytes:
        """The token of an instance, fit for a cookie."""
        return urlsafe_b64encode(hmac.digest(self._key, instance.encode(), sha256)).rstrip(b"=")

    def find(self, tokens: Iterable[bytes], instances: Iterable[str]) -> str | None:
        """The instance that one of the tokens names; forged and stale ones name none."""
        given = tuple(tokens)
        if not given:
            return None
        # As often as there are instances, whatever was sent: the time tells nothing.
        found = [i for i in instances if any(_equal(token, self.token(i)) for token in given)]
        return found[0] if found else None


def _equal(token: bytes, wanted: bytes) -> bool:
    return hmac.compare_digest(token, wanted)


def cookies(headers: Headers) -> list[bytes]:
    """Every affinity cookie of the request; applications at nested paths of a host may each set one."""
    pairs = (pair for value in values(headers, b"cookie") for pair in value.split(b";"))
    split = (pair.strip().partition(b"=") for pair in pairs)
    return [value for name, _, value in split if name == COOKIE][:HEARD]


def set_cookie(token: bytes, *, mount: str, secure: bool) -> bytes:
    """The Set-Cookie value for a browser session: out of reach of scripts, only below the mount."""
    path = mount.encode("ascii") or b"/"
    parts = [COOKIE + b"=" + token, b"Path=" + path, b"HttpOnly", b"SameSite=Lax"]
    return b"; ".join([*parts, b"Secure"] if secure else parts)


def session_of_upload(raw: bytes) -> bytes | None:
    """The session's id in the path of an upload; None for any other path."""
    if not raw.startswith(UPLOADS):
        return None
    return _session(raw.removeprefix(UPLOADS).partition(b"/")[0])


def session_of_offer(headers: Headers) -> bytes | None:
    """The last session's id of a WebSocket that comes back; by position, as Streamlit reads it."""
    items = b",".join(values(headers, b"sec-websocket-protocol")).split(b",")
    return _session(items[2].strip()) if len(items) > 2 else None


def _session(text: bytes) -> bytes | None:
    return text if _ID.fullmatch(text) else None


def announced(message: bytes) -> list[bytes]:
    """Ids of sessions that a message to the browser may announce.

    Nothing is parsed: a random UUID with its length before it is found by its looks.
    """
    return list(dict.fromkeys(_ANNOUNCED.findall(message)))[:HEARD]


def is_shared(method: str, raw: bytes) -> bool:
    """Whether any instance may have what is asked for, and asking them all changes nothing."""
    return method in {"GET", "HEAD"} and raw.startswith(SHARED)

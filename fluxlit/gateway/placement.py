"""Which instance a request belongs to: what the rules of affinity say, with the board and its memory."""

import secrets

from fluxlit.config.settings import Sidecar
from fluxlit.gateway.parking import Wish, alive
from fluxlit.protocol import affinity
from fluxlit.protocol.headers import Header, Headers
from fluxlit.protocol.rewriting import Site
from fluxlit.status import InstancePhase, InstanceStatus, StatusBoard

LISTENED = 16
"""Messages of a WebSocket among which its session's id is expected.

Measured with Streamlit 1.67: it comes with the first message of the first run.
"""
REACHABLE = frozenset({InstancePhase.READY, InstancePhase.DRAINING})
"""Phases in which an instance answers for the sessions that it has."""


class Placement:
    """Remembers where sessions live, and gives browsers a cookie that says so where there is a choice."""

    def __init__(self, sidecar: Sidecar, board: StatusBoard, *, service: str = "ui") -> None:
        self._board = board
        self._service = service
        self._several = sidecar.replicas != 1
        self._sessions = affinity.Sessions()
        secret = sidecar.cookie_secret.encode() or secrets.token_bytes(32)
        self._tokens = affinity.Tokens(secret)

    def for_websocket(self, headers: Headers) -> Wish | None:
        """Whoever comes back goes where it was; a new session anywhere.

        From an instance that drains its sessions move on.
        """
        session = affinity.session_of_offer(headers)
        if session is None:
            return None
        known = self._sessions.find(session)
        if known is not None and self._alive(known):
            return Wish(known, own=True)
        hinted = self._hint(headers)
        return Wish(hinted) if hinted else None

    def for_http(self, raw: bytes, headers: Headers) -> Wish | None:
        """An upload goes to its session; all else to where the browser's last session lives."""
        known = self._sessions.find(affinity.session_of_upload(raw))
        if known is not None and self._alive(known):
            return Wish(known, REACHABLE, own=True)
        hinted = self._hint(headers)
        return Wish(hinted, REACHABLE) if hinted else None

    def others(self, method: str, raw: bytes, asked: InstanceStatus) -> tuple[InstanceStatus, ...]:
        """Who else may have it: nobody, but for files that any session may have registered."""
        if not affinity.is_shared(method, raw):
            return ()
        every = self._board.snapshot.instances
        reachable = (i for i in every if i.service == self._service and i.phase in REACHABLE)
        return tuple(i for i in reachable if i.endpoint and i.id != asked.id)

    def cookie(self, instance: InstanceStatus, headers: Headers, site: Site) -> list[Header]:
        """The Set-Cookie field of a WebSocket's answer, unless there is no choice or it is known."""
        token = self._tokens.token(instance.id)
        if not self._several or token in affinity.cookies(headers):
            return []
        secure = site.scheme == "https"
        return [(b"set-cookie", affinity.set_cookie(token, mount=site.mount, secure=secure))]

    def hear(self, message: bytes, instance: InstanceStatus) -> bool:
        """Learn from a message of the sidecar's which session lives there; whether it did say."""
        found = affinity.announced(message)
        for session in found:
            self._sessions.learn(session, instance.id, self._alive)
        return bool(found)

    def _hint(self, headers: Headers) -> str | None:
        tokens = affinity.cookies(headers)
        if not tokens:
            return None
        every = self._board.snapshot.instances
        return self._tokens.find(tokens, (i.id for i in every if i.service == self._service))

    def _alive(self, instance: str) -> bool:
        return alive(self._board.snapshot, instance)

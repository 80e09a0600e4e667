"""The life of the upstream side of a relayed WebSocket: a total table, without I/O.

Whoever closes first, both sides end within the closing timeout. How a code on one side becomes a
code on the other is in closing.py, what bytes mean is in framing.py; here is only what follows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

from fluxlit.errors import ImpossibleEventError
from fluxlit.protocol.closing import Closed, Message
from fluxlit.protocol.framing import Broke, CloseReceived, Pinged, Ponged, Received


class Phase(Enum):
    """Who has said that it is over."""

    OPEN = "both sides talk"
    CLIENT_CLOSED = "our Close is sent, the upstream's is awaited"
    UPSTREAM_CLOSED = "both Close frames are through, the upstream ends the connection"
    CLOSED = "over"


@dataclass(frozen=True, slots=True)
class ClientClosed:
    """The client's side ends; ``code`` None is a Close frame without a code."""

    code: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class UpstreamEnded:
    """The connection ended or was reset."""


@dataclass(frozen=True, slots=True)
class PingDue:
    """It is time for a ping of our own."""


@dataclass(frozen=True, slots=True)
class SilenceLasted:
    """Nothing at all came for longer than a living peer takes."""


@dataclass(frozen=True, slots=True)
class CloseTimedOut:
    """The other side did not finish the closing handshake in time."""


Event: TypeAlias = (
    ClientClosed
    | Received
    | Pinged
    | Ponged
    | CloseReceived
    | Broke
    | UpstreamEnded
    | PingDue
    | SilenceLasted
    | CloseTimedOut
)


@dataclass(frozen=True, slots=True)
class Deliver:
    """Hand over to the client's side; a Closed is the last."""

    what: Message | Closed


@dataclass(frozen=True, slots=True)
class SendClose:
    """Send a Close frame, an empty one where ``code`` is None."""

    code: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class SendPing:
    """Send a ping."""


@dataclass(frozen=True, slots=True)
class SendPong:
    """Answer a ping; of several unanswered ones the last is enough (RFC 6455 5.5.3)."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class HangUp:
    """Close the connection."""


Command: TypeAlias = Deliver | SendClose | SendPing | SendPong | HangUp
Step: TypeAlias = tuple[Phase, tuple[Command, ...]]
Rule: TypeAlias = Callable[[Any], Step]

_LOST = Deliver(Closed(None))


def _stay(phase: Phase) -> Rule:
    return lambda _event: (phase, ())


def _deliver(event: Received) -> Step:
    return Phase.OPEN, (Deliver(event.message),)


def _answer(event: Pinged) -> Step:
    return Phase.OPEN, (SendPong(event.payload),)


def _ping(_event: PingDue) -> Step:
    return Phase.OPEN, (SendPing(),)


def _close(event: ClientClosed) -> Step:
    return Phase.CLIENT_CLOSED, (SendClose(event.code, event.reason),)


def _echo(event: CloseReceived) -> Step:
    # RFC 6455 5.5.1: the answer to a Close typically echoes its code; the reason is not repeated.
    closed = Closed(event.code, event.reason, clean=True)
    return Phase.UPSTREAM_CLOSED, (Deliver(closed), SendClose(event.code, ""))


def _finish(event: CloseReceived) -> Step:
    return Phase.CLOSED, (Deliver(Closed(event.code, event.reason, clean=True)), HangUp())


def _accuse(event: Broke) -> Step:
    closed = Closed(event.code, event.detail)
    return Phase.CLOSED, (Deliver(closed), SendClose(event.code, ""), HangUp())


def _lose(_event: Event) -> Step:
    return Phase.CLOSED, (_LOST, HangUp())


def _hang_up(_event: Event) -> Step:
    return Phase.CLOSED, (HangUp(),)


RULES: Mapping[tuple[Phase, type[Event]], Rule] = {
    (Phase.OPEN, ClientClosed): _close,
    (Phase.OPEN, Received): _deliver,
    (Phase.OPEN, Pinged): _answer,
    (Phase.OPEN, Ponged): _stay(Phase.OPEN),
    (Phase.OPEN, CloseReceived): _echo,
    (Phase.OPEN, Broke): _accuse,
    (Phase.OPEN, UpstreamEnded): _lose,
    (Phase.OPEN, PingDue): _ping,
    (Phase.OPEN, SilenceLasted): _lose,
    # After our Close nothing may be sent (RFC 6455 5.5.1), and nobody waits for messages.
    (Phase.CLIENT_CLOSED, ClientClosed): _stay(Phase.CLIENT_CLOSED),
    (Phase.CLIENT_CLOSED, Received): _stay(Phase.CLIENT_CLOSED),
    (Phase.CLIENT_CLOSED, Pinged): _stay(Phase.CLIENT_CLOSED),
    (Phase.CLIENT_CLOSED, Ponged): _stay(Phase.CLIENT_CLOSED),
    (Phase.CLIENT_CLOSED, CloseReceived): _finish,
    (Phase.CLIENT_CLOSED, Broke): _lose,
    (Phase.CLIENT_CLOSED, UpstreamEnded): _lose,
    (Phase.CLIENT_CLOSED, PingDue): _stay(Phase.CLIENT_CLOSED),
    (Phase.CLIENT_CLOSED, SilenceLasted): _lose,
    (Phase.CLIENT_CLOSED, CloseTimedOut): _lose,
    # The server ends the TCP connection first (RFC 6455 7.1.1).
    (Phase.UPSTREAM_CLOSED, ClientClosed): _stay(Phase.UPSTREAM_CLOSED),
    (Phase.UPSTREAM_CLOSED, UpstreamEnded): _hang_up,
    (Phase.UPSTREAM_CLOSED, PingDue): _stay(Phase.UPSTREAM_CLOSED),
    (Phase.UPSTREAM_CLOSED, SilenceLasted): _hang_up,
    (Phase.UPSTREAM_CLOSED, CloseTimedOut): _hang_up,
    # A close or a timer may still be under way when the other side has ended it.
    (Phase.CLOSED, ClientClosed): _stay(Phase.CLOSED),
    (Phase.CLOSED, PingDue): _stay(Phase.CLOSED),
    (Phase.CLOSED, SilenceLasted): _stay(Phase.CLOSED),
    (Phase.CLOSED, CloseTimedOut): _stay(Phase.CLOSED),
}

# Frames yield nothing after a Close or an error, the connection is not read once it has ended, and
# the closing timer runs only when somebody closes.
IMPOSSIBLE: frozenset[tuple[Phase, type[Event]]] = frozenset(
    {(Phase.OPEN, CloseTimedOut)}
    | {
        (phase, event)
        for phase in (Phase.UPSTREAM_CLOSED, Phase.CLOSED)
        for event in (Received, Pinged, Ponged, CloseReceived, Broke)
    }
    | {(Phase.CLOSED, UpstreamEnded)}
)


def step(phase: Phase, event: Event) -> Step:
    """The phase that follows and what is to be done, in this order."""
    rule = RULES.get((phase, type(event)))
    if rule is None:
        msg = f"{event} in {phase.name}"
        raise ImpossibleEventError(msg)
    return rule(event)

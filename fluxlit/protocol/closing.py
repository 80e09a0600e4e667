"""How the end of a WebSocket on one side is told to the other: close codes as pure functions.

RFC 6455 7.4 reserves codes that may never stand in a Close frame; browsers and servers differ in
what they do when given one, so nothing passes from one side to the other without these rules.
"""

from dataclasses import dataclass

NORMAL = 1000
GOING_AWAY = 1001
PROTOCOL_ERROR = 1002
BAD_TEXT = 1007
TOO_BIG = 1009
INTERNAL_ERROR = 1011
RESTARTING = 1012
TRY_AGAIN_LATER = 1013

# What servers report when no Close frame came (1006) or one without a code (1005), RFC 6455 7.4.1.
NO_CODE = 1005
ABNORMAL = 1006

# A control frame carries at most 125 bytes, two of them the code (RFC 6455 5.5).
LONGEST_REASON = 123

# 1004 to 1006 and 1015 are reserved; wsproto refuses to read 1014.
_REGISTERED = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013})


@dataclass(frozen=True, slots=True)
class Message:
    """One whole message; text is ``str``, binary is ``bytes``."""

    data: str | bytes


@dataclass(frozen=True, slots=True)
class Closed:
    """The end of the upstream side.

    ``clean`` says that the upstream sent a Close frame; ``code`` is then its code, None if it had
    none. Otherwise the connection was lost, fell silent (None), or broke the rules: the code that
    was sent up is then 1002, 1007 or 1009.
    """

    code: int | None
    reason: str = ""
    clean: bool = False


def sendable(code: int) -> bool:
    """Whether an endpoint may put ``code`` into a Close frame and the peer will read it."""
    return code in _REGISTERED or 3000 <= code <= 4999


def cut(reason: str) -> str:
    """``reason`` at most 123 bytes long in UTF-8, never ending inside a character."""
    return reason.encode("utf-8", "ignore")[:LONGEST_REASON].decode("utf-8", "ignore")


def to_client(closed: Closed, *, restarting: bool = False) -> tuple[int, str]:
    """The code and reason that the browser is told when the upstream side ended as ``closed``.

    ``restarting`` says that the supervisor brings the service back: a lost connection is then
    1012, which clients take as an invitation to come again, instead of 1011.
    """
    if not closed.clean:
        lost = closed.code is None
        return (RESTARTING if lost and restarting else INTERNAL_ERROR), ""
    if closed.code is None:
        return NORMAL, ""
    if sendable(closed.code):
        return closed.code, cut(closed.reason)
    return INTERNAL_ERROR, ""


def to_upstream(code: int | None, reason: str = "") -> tuple[int | None, str]:
    """The code and reason for the upstream when the client side ended with ``code``.

    ``code`` is what the server reports: the client's own, 1005 for a Close frame without one, 1006
    or None for a lost connection. The answer's code is None where the Close frame is to be empty.
    """
    if code is None or code == ABNORMAL:
        return GOING_AWAY, ""
    if sendable(code):
        return code, cut(reason)
    return None, ""

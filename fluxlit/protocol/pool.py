"""Who may use which connection to one upstream, who waits, and what closes: decisions, no I/O.

A slot stands for one connection. Everything here returns what is to be done, and the caller does
it. A slot that somebody holds is never closed by a decision about others: RESERVED exists because
an idle connection that is already promised must not expire in between.
"""

from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias


class SlotState(Enum):
    """Where one connection stands."""

    OPENING = "being opened for its ticket"
    RESERVED = "idle, promised to its ticket"
    ACTIVE = "carries an exchange"
    IDLE = "open, nobody's"


@dataclass(frozen=True, slots=True)
class Use:
    """Take the open connection of ``slot``, and say ``used``; ``close`` are slots to close."""

    slot: int
    close: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Open:
    """Open a connection for ``slot``, and say ``opened``; ``close`` are slots to close."""

    slot: int
    close: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Wait:
    """All connections are busy: a Grant will name the ticket; ``close`` are slots to close."""

    close: tuple[int, ...] = ()


Decision: TypeAlias = Use | Open | Wait


@dataclass(frozen=True, slots=True)
class Grant:
    """The turn of a waiting ticket has come."""

    ticket: int
    decision: Use | Open


@dataclass(frozen=True, slots=True)
class Freed:
    """What follows when a slot is given up: whose turn it is, and which slots to close."""

    grant: Grant | None = None
    close: tuple[int, ...] = ()


@dataclass(slots=True)
class _Held:
    state: SlotState
    ticket: int


class Pool:
    """The connections to one upstream: at most ``most``, idle for less than ``keep_alive`` seconds."""

    def __init__(self, most: int, keep_alive: float) -> None:
        self._most = most
        self._keep_alive = keep_alive
        self._held: dict[int, _Held] = {}
        # Slot to the second since when it idles; the longest idle comes first.
        self._idle: OrderedDict[int, float] = OrderedDict()
        self._waiting: OrderedDict[int, None] = OrderedDict()
        self._last_slot = 0
        self._retired = False

    @property
    def empty(self) -> bool:
        """Whether it holds no connection and nobody waits."""
        return not (self._held or self._idle or self._waiting)

    def states(self) -> dict[int, SlotState]:
        """Every slot and where it stands."""
        held = {slot: one.state for slot, one in self._held.items()}
        return held | dict.fromkeys(self._idle, SlotState.IDLE)

    def ask(self, ticket: int, at: float) -> Decision:
        """Ask for a connection at second ``at``; the one used last is given first.

        The latest used is the least likely to have been closed by the other side meanwhile.
        """
        expired = self.expire(at)
        if self._idle:
            slot, _ = self._idle.popitem()
            self._held[slot] = _Held(SlotState.RESERVED, ticket)
            return Use(slot, expired)
        if len(self._held) < self._most:
            return Open(self._new(ticket), expired)
        self._waiting[ticket] = None
        return Wait(expired)

    def used(self, slot: int) -> None:
        """The connection of a Use is taken: it now carries an exchange."""
        self._move(slot, SlotState.RESERVED, SlotState.ACTIVE)

    def opened(self, slot: int) -> None:
        """The connection of an Open is there: it now carries an exchange."""
        self._move(slot, SlotState.OPENING, SlotState.ACTIVE)

    def reopen(self, slot: int) -> None:
        """The connection in use turned out to be dead: its ticket opens another in the same slot."""
        self._move(slot, SlotState.ACTIVE, SlotState.OPENING)

    def released(self, slot: int, at: float) -> Freed:
        """The exchange is over and the connection may carry another one."""
        self._move(slot, SlotState.ACTIVE, SlotState.RESERVED)
        freed = self._pass_on(slot, at)
        return Freed(freed.grant, self.expire(at) + freed.close)

    def lost(self, slot: int) -> Freed:
        """The connection is closed or never came to be; its place goes to who waits longest."""
        del self._held[slot]
        if not self._waiting:
            return Freed()
        ticket, _ = self._waiting.popitem(last=False)
        return Freed(Grant(ticket, Open(self._new(ticket))))

    def withdraw(self, ticket: int, at: float) -> Freed:
        """The asker gave up before it took what it asked for: its turn goes to the next."""
        if ticket in self._waiting:
            del self._waiting[ticket]
            return Freed()
        for slot, held in self._held.items():
            if held.ticket == ticket and held.state is SlotState.RESERVED:
                return self._pass_on(slot, at)
            if held.ticket == ticket and held.state is SlotState.OPENING:
                return self.lost(slot)
        raise ValueError("a ticket that neither waits nor was granted anything")

    def expire(self, at: float) -> tuple[int, ...]:
        """The slots that have idled long enough at second ``at``; forgotten here, to be closed."""
        expired: list[int] = []
        while self._idle:
            slot, since = next(iter(self._idle.items()))
            if at - since < self._keep_alive:
                break
            del self._idle[slot]
            expired.append(slot)
        return tuple(expired)

    def retire(self) -> tuple[int, ...]:
        """The upstream is gone: nothing idles from now on. Returns the idle slots, to be closed."""
        self._retired = True
        idle = tuple(self._idle)
        self._idle.clear()
        return idle

    def _new(self, ticket: int) -> int:
        self._last_slot += 1
        self._held[self._last_slot] = _Held(SlotState.OPENING, ticket)
        return self._last_slot

    def _move(self, slot: int, old: SlotState, new: SlotState) -> None:
        held = self._held[slot]
        if held.state is not old:
            msg = f"slot {slot} is {held.state.name}, not {old.name}"
            raise ValueError(msg)
        held.state = new

    def _pass_on(self, slot: int, at: float) -> Freed:
        if self._retired or self._keep_alive == 0:
            return Freed(self.lost(slot).grant, (slot,))
        if self._waiting:
            ticket, _ = self._waiting.popitem(last=False)
            self._held[slot] = _Held(SlotState.RESERVED, ticket)
            return Freed(Grant(ticket, Use(slot)))
        del self._held[slot]
        self._idle[slot] = at
        return Freed()

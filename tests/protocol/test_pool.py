"""The laws of the pool, on random histories, and its few scenarios by name."""

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fluxlit.protocol.pool import Freed, Grant, Open, Pool, SlotState, Use, Wait

MOST = 3
KEEP_ALIVE = 2.0


def test_a_connection_is_used_again_the_latest_first() -> None:
    """Of two idle connections the one used last is given."""
    pool = Pool(2, 10)
    assert [pool.ask(1, 0), pool.ask(2, 0)] == [Open(1), Open(2)]
    pool.opened(1)
    pool.opened(2)
    assert [pool.released(2, 1), pool.released(1, 2)] == [Freed(), Freed()]
    assert pool.ask(3, 3) == Use(1)


def test_who_waits_longest_is_served_first() -> None:
    """A released connection goes to the first in the line, the place of a lost one likewise."""
    pool = Pool(1, 10)
    assert [pool.ask(n, 0) for n in (1, 2, 3)] == [Open(1), Wait(), Wait()]
    pool.opened(1)
    assert pool.released(1, 1) == Freed(Grant(2, Use(1)))
    pool.used(1)
    assert pool.lost(1) == Freed(Grant(3, Open(2)))


def test_idle_connections_expire() -> None:
    """At the end of its time an idle connection is closed, not given."""
    pool = Pool(1, KEEP_ALIVE)
    pool.ask(1, 0)
    pool.opened(1)
    pool.released(1, 5)
    assert pool.expire(5 + KEEP_ALIVE - 0.01) == ()
    assert pool.ask(2, 5 + KEEP_ALIVE) == Open(2, (1,))


@pytest.mark.parametrize("granted", [False, True])
def test_a_withdrawn_ticket_frees_its_slot(granted: bool) -> None:
    """Who gives up while waiting, or before taking what was granted, holds nobody up."""
    pool = Pool(1, 10)
    assert [pool.ask(n, 0) for n in (1, 2, 3)] == [Open(1), Wait(), Wait()]
    pool.opened(1)
    if granted:
        assert pool.released(1, 1) == Freed(Grant(2, Use(1)))
        assert pool.withdraw(2, 1) == Freed(Grant(3, Use(1)))
    else:
        assert pool.withdraw(2, 1) == Freed()
        assert pool.released(1, 1) == Freed(Grant(3, Use(1)))


def test_a_stranger_cannot_withdraw() -> None:
    """A ticket that holds nothing is our bug."""
    with pytest.raises(ValueError, match="ticket"):
        Pool(1, 1).withdraw(7, 0)


def test_a_dead_connection_is_replaced_in_its_slot() -> None:
    """Reopening keeps the place, so that nobody else takes it meanwhile."""
    pool = Pool(1, 10)
    pool.ask(1, 0)
    pool.opened(1)
    pool.reopen(1)
    assert pool.states() == {1: SlotState.OPENING}
    assert pool.ask(2, 0) == Wait()


@pytest.mark.parametrize("keep_alive", [0.0, 10.0])
def test_nothing_idles_where_nothing_is_kept(keep_alive: float) -> None:
    """After retirement, or without an idle life, a released connection closes at once."""
    pool = Pool(1, keep_alive)
    pool.ask(1, 0)
    pool.opened(1)
    if keep_alive:
        assert pool.retire() == ()
    assert pool.released(1, 1) == Freed(None, (1,))
    assert pool.empty


def test_retirement_closes_what_idles() -> None:
    """The idle ones close, the ones in use go on."""
    pool = Pool(2, 10)
    for ticket in (1, 2):
        pool.ask(ticket, 0)
        pool.opened(ticket)
    pool.released(1, 0)
    assert pool.retire() == (1,)
    assert pool.states() == {2: SlotState.ACTIVE}


def test_a_step_out_of_order_is_loud() -> None:
    """A slot moves only from the state that the step says."""
    pool = Pool(1, 10)
    pool.ask(1, 0)
    with pytest.raises(ValueError, match="OPENING, not RESERVED"):
        pool.used(1)


class Life(RuleBasedStateMachine):
    """A caller that does everything a caller may do, in any order, and keeps its own books."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = Pool(MOST, KEEP_ALIVE)
        self.now = 0.0
        self.tickets = 0
        self.line: list[int] = []
        self.granted: dict[int, Use | Open] = {}
        self.active: list[int] = []
        self.idle: set[int] = set()

    def grant(self, ticket: int, decision: Use | Open) -> None:
        """Somebody's turn: an idle or released slot that nobody else holds, or a new one."""
        held = {one.slot for one in self.granted.values()} | set(self.active)
        assert decision.slot not in held
        if isinstance(decision, Use):
            self.idle.discard(decision.slot)
        self.granted[ticket] = decision

    def close(self, slots: Iterable[int]) -> None:
        """Only an idle slot is ever closed by a decision."""
        for slot in slots:
            assert slot in self.idle
            self.idle.remove(slot)

    def settle(self, freed: Freed) -> None:
        """Closing and the next turn; the first in the line is served first."""
        if freed.grant is not None:
            assert freed.grant.ticket == self.line.pop(0)
            self.grant(freed.grant.ticket, freed.grant.decision)
        self.close(freed.close)

    @rule()
    def ask(self) -> None:
        """A new ticket."""
        self.tickets += 1
        decision = self.pool.ask(self.tickets, self.now)
        self.close(decision.close)
        if isinstance(decision, Wait):
            self.line.append(self.tickets)
        else:
            assert not self.line
            self.grant(self.tickets, decision)

    @precondition(lambda self: self.granted)
    @rule(data=st.data(), works=st.booleans())
    def take(self, data: st.DataObject, works: bool) -> None:
        """Somebody takes what it was granted; opening may fail."""
        ticket = data.draw(st.sampled_from(sorted(self.granted)))
        decision = self.granted.pop(ticket)
        if isinstance(decision, Use):
            self.pool.used(decision.slot)
            self.active.append(decision.slot)
        elif works:
            self.pool.opened(decision.slot)
            self.active.append(decision.slot)
        else:
            self.settle(self.pool.lost(decision.slot))

    @precondition(lambda self: self.active)
    @rule(data=st.data(), again=st.booleans())
    def release(self, data: st.DataObject, again: bool) -> None:
        """An exchange ends; its connection may or may not be used again."""
        slot = data.draw(st.sampled_from(self.active))
        self.active.remove(slot)
        if again:
            self.idle.add(slot)
            self.settle(self.pool.released(slot, self.now))
        else:
            self.settle(self.pool.lost(slot))

    @precondition(lambda self: self.line or self.granted)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        """Somebody gives up, in the line or with a turn that it has not taken."""
        ticket = data.draw(st.sampled_from([*self.line, *self.granted]))
        if ticket in self.line:
            self.line.remove(ticket)
        elif isinstance(decision := self.granted.pop(ticket), Use):
            self.idle.add(decision.slot)
        self.settle(self.pool.withdraw(ticket, self.now))

    @rule(seconds=st.floats(0, 3))
    def wait(self, seconds: float) -> None:
        """Time passes and the caller tidies up."""
        self.now += seconds
        self.close(self.pool.expire(self.now))

    @rule()
    def retire(self) -> None:
        """The upstream goes; the laws hold on."""
        self.close(self.pool.retire())

    @invariant()
    def the_books_agree(self) -> None:
        """At most MOST slots; nobody waits while there is room; every slot is accounted for."""
        states = self.pool.states()
        assert len(states) <= MOST
        assert not self.line or len(states) == MOST
        assert not (self.line and self.idle)
        assert {s for s, state in states.items() if state is SlotState.IDLE} == self.idle
        assert {s for s, state in states.items() if state is SlotState.ACTIVE} == set(self.active)
        assert self.pool.empty == (not states and not self.line)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)


@given(st.lists(st.floats(0, 5), min_size=1, max_size=5), st.floats(0, 10))
def test_expiry_takes_exactly_the_old(since: list[float], later: float) -> None:
    """Every connection idle for the whole time is closed, no other."""
    pool = Pool(len(since), KEEP_ALIVE)
    for ticket in range(len(since)):
        decision = pool.ask(ticket, 0)
        assert isinstance(decision, Open)
        pool.opened(decision.slot)
    for slot, at in enumerate(sorted(since), 1):
        pool.released(slot, at)
    now = max(since) + later
    pool.expire(now)
    assert len(pool.states()) == len([at for at in since if now - at < KEEP_ALIVE])

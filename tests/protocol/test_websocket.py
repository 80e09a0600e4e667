"""The life of the upstream side of a WebSocket, as events in and commands out."""

from collections.abc import Iterable
from itertools import product
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxlit.errors import ImpossibleEventError
from fluxlit.protocol.closing import Closed, Message
from fluxlit.protocol.framing import Broke, CloseReceived, Pinged, Ponged, Received
from fluxlit.protocol.websocket import (
    IMPOSSIBLE,
    RULES,
    ClientClosed,
    CloseTimedOut,
    Command,
    Deliver,
    Event,
    HangUp,
    Phase,
    PingDue,
    SendClose,
    SendPing,
    SendPong,
    SilenceLasted,
    UpstreamEnded,
    step,
)

MESSAGE = Message("m")
LOST = Deliver(Closed(None))
EVENTS: list[Event] = [
    ClientClosed(1001, ""),
    Received(MESSAGE),
    Pinged(b"p"),
    Ponged(),
    CloseReceived(1000, "bye"),
    Broke(1002, "bad"),
    UpstreamEnded(),
    PingDue(),
    SilenceLasted(),
    CloseTimedOut(),
]


def play(*events: Event) -> tuple[Phase, list[Command]]:
    """Where ``events`` lead from OPEN, and every command on the way."""
    phase = Phase.OPEN
    done: list[Command] = []
    for event in events:
        phase, commands = step(phase, event)
        done += commands
    return phase, done


def test_the_table_is_total() -> None:
    """Rules and impossible cells are together every phase with every event, and disjoint."""
    cells = set(product(Phase, get_args(Event)))
    assert set(RULES) | IMPOSSIBLE == cells
    assert not set(RULES) & IMPOSSIBLE
    assert {type(event) for event in EVENTS} == set(get_args(Event))


@pytest.mark.parametrize("cell", sorted(IMPOSSIBLE, key=str), ids=str)
def test_an_impossible_event_is_loud(cell: tuple[Phase, type[Event]]) -> None:
    """An impossible event is our bug."""
    event = next(event for event in EVENTS if type(event) is cell[1])
    with pytest.raises(ImpossibleEventError):
        step(cell[0], event)


@pytest.mark.parametrize(
    ("events", "phase", "commands"),
    [
        ([Received(MESSAGE)], Phase.OPEN, [Deliver(MESSAGE)]),
        ([Pinged(b"p"), Ponged()], Phase.OPEN, [SendPong(b"p")]),
        ([PingDue()], Phase.OPEN, [SendPing()]),
        ([ClientClosed(4000, "x")], Phase.CLIENT_CLOSED, [SendClose(4000, "x")]),
        (
            [ClientClosed(None, ""), Received(MESSAGE), Pinged(b""), PingDue(), CloseReceived(1000, "")],
            Phase.CLOSED,
            [SendClose(None, ""), Deliver(Closed(1000, "", clean=True)), HangUp()],
        ),
        ([ClientClosed(1001, ""), CloseTimedOut()], Phase.CLOSED, [SendClose(1001, ""), LOST, HangUp()]),
        ([ClientClosed(1001, ""), UpstreamEnded()], Phase.CLOSED, [SendClose(1001, ""), LOST, HangUp()]),
        (
            [CloseReceived(4000, "bye"), ClientClosed(4000, "bye"), UpstreamEnded()],
            Phase.CLOSED,
            [Deliver(Closed(4000, "bye", clean=True)), SendClose(4000, ""), HangUp()],
        ),
        (
            [CloseReceived(None, ""), CloseTimedOut()],
            Phase.CLOSED,
            [Deliver(Closed(None, "", clean=True)), SendClose(None, ""), HangUp()],
        ),
        ([Broke(1009, "big")], Phase.CLOSED, [Deliver(Closed(1009, "big")), SendClose(1009, ""), HangUp()]),
        ([UpstreamEnded()], Phase.CLOSED, [LOST, HangUp()]),
        ([SilenceLasted()], Phase.CLOSED, [LOST, HangUp()]),
    ],
    ids=str,
)  # fmt: skip
def test_scenarios(events: list[Event], phase: Phase, commands: list[Command]) -> None:
    """One life each, with every command it gives."""
    assert play(*events) == (phase, commands)


def possible(phase: Phase) -> Iterable[Event]:
    """The events that may come in ``phase``."""
    return [event for event in EVENTS if (phase, type(event)) in RULES]


@given(st.data())
def test_laws_of_every_life(data: st.DataObject) -> None:
    """One Close at most and nothing sent after it; one end delivered, then nothing; one hang-up."""
    phase, done = Phase.OPEN, list[Command]()
    for _ in range(12):
        phase, commands = step(phase, data.draw(st.sampled_from(list(possible(phase)))))
        done += commands
    sent = [type(c) for c in done if isinstance(c, (SendClose, SendPing, SendPong))]
    assert SendClose not in sent[:-1]
    delivered = [type(c.what) for c in done if isinstance(c, Deliver)]
    assert Closed not in delivered[:-1]
    assert done.count(HangUp()) == (phase is Phase.CLOSED)
    assert phase is not Phase.CLOSED or delivered[-1] is Closed

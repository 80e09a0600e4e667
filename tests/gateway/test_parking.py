"""Waiting for an instance: how long, how many, and who is let in."""

from dataclasses import replace

import anyio
import pytest

from fluxlit.config.settings import Relay
from fluxlit.gateway.parking import NOTICE, NotReady, Parking, alive
from fluxlit.status import DaemonPhase, InstancePhase, Snapshot, StatusBoard
from tests.gateway.support import board_of, instance, ready

pytestmark = pytest.mark.autojump

STARTING = Snapshot(DaemonPhase.STARTING)


def parking_of(board: StatusBoard, **changes: object) -> Parking:
    """Parking with some settings replaced."""
    return Parking(board, replace(Relay(), **changes))  # type: ignore[arg-type]


async def test_a_ready_instance_is_given_at_once() -> None:
    """Without a place."""
    parking = parking_of(board_of(), park_limit=0)
    assert (await parking.instance()).id == "ui-1"


async def test_the_wait_ends_with_the_first_ready_instance() -> None:
    """However many wait, all go on."""
    board = board_of(STARTING)
    parking = parking_of(board)
    found: list[str] = []

    async def wait() -> None:
        found.append((await parking.instance()).id)

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        assert parking.waiting == 5
        board.publish(ready())
    assert found == ["ui-1"] * 5
    assert parking.waiting == 0


@pytest.mark.parametrize(("patience", "seconds"), [(None, 10), (2.0, 2), (99.0, 10)])
async def test_patience_is_bounded_by_the_setting(patience: float | None, seconds: float) -> None:
    """park_timeout, or less where a caller asks for less."""
    began = anyio.current_time()
    with pytest.raises(NotReady):
        await parking_of(board_of(STARTING)).instance(patience)
    assert anyio.current_time() - began == pytest.approx(seconds)


async def test_cancelled_waits_give_their_place_back() -> None:
    """A client that leaves frees it for the next."""
    parking = parking_of(board_of(STARTING))
    with anyio.move_on_after(1):
        await parking.instance()
    assert parking.waiting == 0


@pytest.mark.parametrize("phase", list(DaemonPhase))
async def test_who_is_let_in_by_state(phase: DaemonPhase) -> None:
    """A ready instance is not given once the daemon drains or has failed."""
    parking = parking_of(board_of(Snapshot(phase, instances=(instance(),))))
    closed = {DaemonPhase.FAILED, DaemonPhase.DRAINING, DaemonPhase.STOPPING, DaemonPhase.EXITED}
    if phase in closed:
        with pytest.raises(NotReady):
            await parking.instance()
    else:
        assert (await parking.instance()).id == "ui-1"


@pytest.mark.parametrize(("due", "expected"), [(None, 1), (-5.0, 1), (3.2, 4), (900.0, 30)])
async def test_retry_after_is_when_the_next_start_is_due(due: float | None, expected: int) -> None:
    """In whole seconds, 1 to 30."""
    now = anyio.current_time()
    snapshot = Snapshot(DaemonPhase.UNAVAILABLE, retry_at=None if due is None else now + due)
    assert parking_of(board_of(snapshot)).retry_after() == expected


async def test_a_replacement_waits_for_the_death_to_be_noticed() -> None:
    """The failed instance is not given again while the board still shows it."""
    board = board_of()
    lost = instance()

    async def notice() -> None:
        await anyio.sleep(0.05)
        board.publish(STARTING)
        await anyio.sleep(2)
        board.publish(ready(instance("ui-2")))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(notice)
        assert (await parking_of(board).replacement(lost, None)).id == "ui-2"


async def test_a_false_alarm_costs_a_second() -> None:
    """An instance that is alive after all is asked again."""
    began = anyio.current_time()
    assert (await parking_of(board_of()).replacement(instance(), None)).id == "ui-1"
    assert anyio.current_time() - began == pytest.approx(NOTICE)


@pytest.mark.parametrize("phase", list(InstancePhase))
def test_which_phases_keep_their_connections(phase: InstancePhase) -> None:
    """Serving, failing probes, or draining."""
    kept = {InstancePhase.READY, InstancePhase.UNREADY, InstancePhase.DRAINING}
    assert alive(ready(instance(phase=phase)), "ui-1") is (phase in kept)
    assert not alive(ready(instance(phase=phase)), "ui-2")

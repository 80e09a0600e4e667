"""The driver with several instances: replicas, and one generation after the other."""

from signal import SIGTERM

import anyio
import pytest
from structlog.testing import capture_logs

from fluxlit.config.settings import Sidecar
from fluxlit.errors import SpawnFailed
from fluxlit.status import DaemonPhase
from tests.doubles.children import Script
from tests.doubles.supervised import World, supervised
from tests.supervisor.test_driver import CRASHES

pytestmark = pytest.mark.autojump


async def test_n2_replicas_are_started_together_and_ready_when_all_are() -> None:
    """Each with a port and a slot of its own; one of them is enough to serve."""
    late = Script(ready_after=3.0)
    async with supervised(Script(), late, Script(), replicas=3) as world:
        await world.ready()
        assert world.starts == pytest.approx([0, 0, 0])
        assert world.elapsed == pytest.approx(3.0, abs=1)
        places = world.board.snapshot.ready("ui")
        assert [place.slot for place in places] == [0, 1, 2]
        assert len({place.endpoint for place in places}) == 3
        degraded = world.board.when(DaemonPhase.DEGRADED) - world.began
        assert degraded == pytest.approx(0.1)


async def test_n2_a_replica_that_dies_is_replaced_while_the_others_serve() -> None:
    """DEGRADED, never UNAVAILABLE; only its own slot starts again."""
    async with supervised(Script(), Script(exits_after=50.0), Script(), replicas=3) as world:
        await world.ready()
        await world.board.wait_for(lambda seen: seen.daemon is DaemonPhase.DEGRADED)
        assert [place.slot for place in world.board.snapshot.ready("ui")] == [0, 2]
        await world.ready()
        assert len(world.starts) == 4
        assert DaemonPhase.UNAVAILABLE not in {seen.daemon for _, seen in world.board.seen}


async def test_n2_a_slot_that_gives_up_leaves_the_others_serving() -> None:
    """It tries again each hold_retry; the daemon lives on although on_give_up is exit."""
    gone = Script(refused=SpawnFailed("no such program", permanent=True))
    async with supervised(Script(), gone, gone, Script(), replicas=2) as world:
        await world.board.wait_for(lambda seen: seen.daemon is DaemonPhase.DEGRADED)
        await world.ready()
        assert world.starts == pytest.approx([0, 0, 300, 600])


async def test_n2_when_every_slot_gives_up_so_does_the_daemon() -> None:
    """With 69, at the last one's last failure."""
    async with supervised(CRASHES, replicas=2) as world:
        verdict = await world.end()
        assert verdict.status == 69
        assert len(world.starts) == 10


async def test_n2_all_replicas_are_stopped_at_the_same_time() -> None:
    """Their stops do not add up."""
    async with supervised(Script(stop_delay=2.0), replicas=3) as world:
        await world.ready()
        began = anyio.current_time()
        world.supervisor.signalled(SIGTERM)
        assert (await world.end()).status == 0
        assert anyio.current_time() - began == pytest.approx(2.0, abs=0.5)


async def rolled(world: World, generation: int) -> None:
    """Wait until a generation serves and nothing else is left."""
    await world.board.wait_for(
        lambda seen: (
            seen.generation == generation and {i.generation for i in seen.instances} == {generation}
        )
    )


async def test_a_roll_replaces_all_instances_while_they_serve() -> None:
    """The new ones are ready for min_ready first; the daemon is READY all the time, with two generations at most."""
    async with supervised(Script(), sidecar=Sidecar(min_ready=5.0), replicas=2) as world:
        await world.ready()
        began, already = anyio.current_time(), len(world.board.seen)
        world.supervisor.roll()
        await rolled(world, 2)
        assert anyio.current_time() - began == pytest.approx(5.1, abs=0.2)
        assert world.starts == pytest.approx([0, 0, 0.1, 0.1])
        assert [i.slot for i in world.board.snapshot.ready("ui")] == [0, 1]
        since = [seen for _, seen in world.board.seen[already:]]
        assert {seen.daemon for seen in since} == {DaemonPhase.READY}
        assert min(len(seen.ready("ui")) for seen in since) == 2
        assert max(len(seen.instances) for seen in since) == 4


async def test_what_is_in_use_holds_the_old_generation_until_its_time_is_over() -> None:
    """It drains for twice the spread at most."""
    sidecar = Sidecar(min_ready=0.0, drain=5.0)
    async with supervised(Script(), sidecar=sidecar) as world:
        await world.ready()
        [old] = world.board.snapshot.ready("ui")
        with world.board.session(old.id):
            world.supervisor.roll()
            await world.board.wait_for(lambda seen: seen.generation == 2)
            began = anyio.current_time()
            await rolled(world, 2)
            assert anyio.current_time() - began == pytest.approx(10.0)


@pytest.mark.parametrize(
    "bad",
    [
        CRASHES,
        Script(exits_after=2.0),
        Script(ready_after=None),
        Script(refused=SpawnFailed("no such program", permanent=True)),
    ],
    ids=["dies at once", "dies before min_ready", "never answers", "no such program"],
)
async def test_a_generation_that_fails_leaves_the_present_one(bad: Script) -> None:
    """It is stopped, and the log says why; the next roll may succeed."""
    with capture_logs() as logged:
        async with supervised(Script(), bad, Script()) as world:
            await world.ready()
            [old] = world.board.snapshot.ready("ui")
            already = len(world.board.seen)
            world.supervisor.roll()
            await anyio.sleep(100)
            assert world.board.snapshot.ready("ui") == (old,)
            assert len(world.starts) == 2
            since = [seen for _, seen in world.board.seen[already:]]
            assert {seen.daemon for seen in since} == {DaemonPhase.READY}
            world.supervisor.roll()
            await rolled(world, 3)
    assert [e["event"] for e in logged if e["event"].startswith("roll.")] == [
        "roll.begun",
        "roll.failed",
        "roll.begun",
        "roll.done",
    ]


@pytest.mark.parametrize("moment", [0.0, 0.05, 2.0, 5.2])
async def test_a_stop_in_the_middle_of_a_roll_ends_both_generations(moment: float) -> None:
    """Status 0, nothing left behind."""
    async with supervised(Script(stop_delay=0.2), replicas=2) as world:
        await world.ready()
        world.supervisor.roll()
        await anyio.sleep(moment)
        world.supervisor.signalled(SIGTERM)
        world.supervisor.roll()
        assert (await world.end()).status == 0
        assert world.launcher.abroad == []


async def test_a_storm_of_rolls_is_two() -> None:
    """The one under way, and one that follows; never more than two generations."""
    async with supervised(Script(stop_delay=0.2), replicas=2) as world:
        await world.ready()
        for _ in range(20):
            world.supervisor.roll()
            await anyio.sleep(0.1)
        await rolled(world, 3)
        await anyio.sleep(60)
        assert world.board.snapshot.generation == 3
        assert max(len(seen.instances) for _, seen in world.board.seen) == 4

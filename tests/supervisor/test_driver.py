"""The driver on jumping clocks: made children, exact moments."""

from signal import SIGINT, SIGKILL, SIGQUIT, SIGTERM

import anyio
import pytest
from structlog.testing import capture_logs

from fluxlit.config.settings import Shutdown, Sidecar
from fluxlit.errors import SpawnFailed
from fluxlit.status import DaemonPhase, InstancePhase
from fluxlit.supervisor.driver import ExitVerdict
from tests.doubles.children import Script
from tests.doubles.supervised import supervised

pytestmark = pytest.mark.autojump

CRASHES = Script(ready_after=None, exits_after=0.0, words=("Error: No such option: --bad",))


async def test_it_is_ready_as_soon_as_a_probe_passes() -> None:
    """The first probe comes after 0.1 s; the endpoint is the socket that answered."""
    async with supervised(Script()) as world:
        await world.ready()
        assert world.elapsed == pytest.approx(0.1)
        [instance] = world.board.snapshot.ready("ui")
        assert instance.endpoint == world.launcher.child.endpoint
        assert instance.pid == world.launcher.child.pid


async def test_starts_follow_the_backoff_exactly() -> None:
    """A child that never starts is tried five times, with the jitter drawn as half."""
    async with supervised(CRASHES) as world:
        await world.end()
        assert world.starts == pytest.approx([0, 0.375, 1.125, 2.625, 5.625])


async def test_giving_up_is_69_with_the_last_words() -> None:
    """At the moment of the fifth failure, and the gateway is closed in order."""
    async with supervised(CRASHES) as world:
        verdict = await world.end()
        assert verdict.status == 69
        assert verdict.reason == "ui exited with status 1 after 0.0 s, before it was ready"
        assert verdict.last_words == CRASHES.words
        assert world.elapsed == pytest.approx(5.625)
        assert len(world.closed) == 1


async def test_a_missing_program_is_given_up_at_once() -> None:
    """127 from the shim is permanent."""
    missing = Script(ready_after=None, exits_after=0.05, status=127)
    async with supervised(missing) as world:
        assert (await world.end()).status == 69
        assert world.starts == [0.0]


async def test_a_refused_spawn_is_tried_again() -> None:
    """Short of processes is no reason to give up at once; a missing directory is."""
    refused = Script(refused=SpawnFailed("no more processes", permanent=False))
    async with supervised(refused, Script()) as world:
        await world.ready()
        assert world.starts == pytest.approx([0, 0.375])
    forbidden = Script(refused=SpawnFailed("no such directory", permanent=True))
    async with supervised(forbidden) as world:
        assert (await world.end()).status == 69


async def test_holding_tries_again_each_hold_retry() -> None:
    """The daemon stays, failed, and heals by itself when the cause is gone."""
    held = Sidecar(on_give_up="hold", start_limit=1)
    async with supervised(CRASHES, CRASHES, Script(), sidecar=held) as world:
        await world.ready()
        assert world.starts == [0, 300, 600]
        phases = [seen.daemon for _, seen in world.board.seen]
        assert DaemonPhase.FAILED in phases
        assert DaemonPhase.STOPPING not in phases


async def test_an_exit_while_starting_is_noticed_at_once() -> None:
    """Nobody waits for the start timeout."""
    dies = Script(ready_after=None, exits_after=0.3)
    async with supervised(dies, Script()) as world:
        await world.ready()
        assert world.starts == pytest.approx([0, 0.3 + 0.375])


async def test_a_start_that_takes_too_long_is_ended() -> None:
    """After start_timeout it is stopped, and the next one is tried."""
    async with supervised(Script(ready_after=None), Script()) as world:
        await world.ready()
        assert world.launcher.children[0].signals == [(world.began + 60.0, SIGTERM)]
        assert world.starts == pytest.approx([0, 60.375])


async def test_a_clean_exit_is_a_failure_too() -> None:
    """The policy is always: status 0 restarts like any other, for nobody asked."""
    leaves = Script(exits_after=9.0, status=0)
    async with supervised(leaves, Script()) as world:
        await world.unless(InstancePhase.READY)
        await world.board.wait_for(lambda seen: seen.restarts == 1)
        await world.ready()
        assert world.starts == pytest.approx([0, 9.375])


async def test_after_a_long_healthy_run_it_restarts_at_once() -> None:
    """No backoff, and the restart is counted."""
    async with supervised(Script(exits_after=100.0), Script()) as world:
        await world.board.wait_for(lambda seen: seen.restarts == 1)
        await world.ready()
        assert world.starts == [0, 100]
        assert world.board.snapshot.retry_at is None


async def test_a_dead_child_is_unpublished_before_its_leftovers_end() -> None:
    """From the moment of its death nobody is sent there."""
    dies = Script(exits_after=100.0, leftovers=True, leftovers_deaf=True)
    async with supervised(dies, Script()) as world:
        await world.ready()
        await world.unless(InstancePhase.READY)
        assert world.elapsed == 100
        assert world.board.snapshot.daemon is DaemonPhase.UNAVAILABLE
        await world.ready()
        at, number = world.launcher.children[0].signals[1]
        assert (at - world.began, number) == (102, SIGKILL)
        assert world.starts == [0, 102]


async def test_the_board_never_shows_ready_without_an_endpoint() -> None:
    """In all that was ever published over crashes, hangs and the end."""
    async with supervised(Script(exits_after=70.0), CRASHES, Script()) as world:
        await world.board.wait_for(lambda seen: seen.restarts == 2)
        await world.ready()
        world.supervisor.signalled(SIGTERM)
        await world.end()
        instances = [i for _, seen in world.board.seen for i in seen.instances]
        ready = [i for i in instances if i.phase is InstancePhase.READY]
        assert ready
        assert all(i.endpoint and i.pid for i in ready)


async def test_a_stopped_child_is_unready_at_its_first_failure() -> None:
    """One readiness probe of 2 s with state T; it is back after two passes."""
    async with supervised(Script()) as world:
        await world.ready()
        ready_at = world.elapsed
        world.launcher.child.states = "T"
        await world.unless(InstancePhase.READY)
        assert world.elapsed == pytest.approx(ready_at + 1 + 2)
        assert world.board.snapshot.daemon is DaemonPhase.UNAVAILABLE
        world.launcher.child.states = "S"
        await world.ready()
        assert world.starts == [0]


async def test_a_stopped_child_is_killed_by_liveness() -> None:
    """Six liveness probes of 3 s every 10 s, then TERM, and a new one."""
    async with supervised(Script(stop_delay=None), Script()) as world:
        await world.ready()
        hung = world.launcher.child
        hung.states = "T"
        await world.board.wait_for(lambda seen: seen.restarts == 1)
        term = 0.1 + 60 + 3
        assert [at - world.began for at, _ in hung.signals] == pytest.approx([term, term + 5])
        assert [number for _, number in hung.signals] == [SIGTERM, SIGKILL]
        assert world.board.snapshot.last_failure == (
            "ui hung and was killed after 68.1 s: its process is stopped (state T)"
        )
        await world.ready()


async def test_a_busy_child_gets_patience() -> None:
    """A computation of 100 s that burns CPU costs readiness, not the process."""
    async with supervised(Script()) as world:
        await world.ready()
        busy = world.launcher.child
        busy.states, busy.cpu_per_second = "R", 1.0
        await world.unless(InstancePhase.READY)
        await anyio.sleep(100)
        busy.states = "S"
        await world.ready()
        assert busy.signals == []


async def test_a_deaf_child_is_killed_exactly_at_its_grace() -> None:
    """TERM and KILL lie stop_timeout apart."""
    async with supervised(Script(stop_delay=None)) as world:
        await world.ready()
        world.supervisor.signalled(SIGTERM)
        verdict = await world.end()
        (term, _), (kill, last) = world.launcher.child.signals
        assert kill - term == pytest.approx(5.0)
        assert last == SIGKILL
        assert verdict == ExitVerdict(0)


async def test_an_unkillable_child_is_left_behind() -> None:
    """The daemon ends all the same, in its time."""
    async with supervised(Script(unkillable=True)) as world:
        await world.ready()
        world.supervisor.signalled(SIGTERM)
        asked = world.elapsed
        assert (await world.end()).status == 0
        assert world.elapsed - asked == pytest.approx(5 + 2)
        assert world.launcher.child.abandoned


async def test_an_idle_daemon_stops_without_waiting() -> None:
    """No fixed grace is slept: with an obedient child the stop takes no time at all."""
    async with supervised(Script()) as world:
        await world.ready()
        asked = world.elapsed
        world.supervisor.signalled(SIGTERM)
        assert await world.end() == ExitVerdict(0)
        assert world.elapsed == asked


async def test_what_is_in_flight_holds_the_drain_until_it_ends() -> None:
    """The instance is stopped only after the last exchange."""
    async with supervised(Script()) as world:
        await world.ready()
        with world.board.request("api"):
            world.supervisor.signalled(SIGTERM)
            await anyio.sleep(3)
            assert world.board.snapshot.daemon is DaemonPhase.DRAINING
            assert world.launcher.child.signals == []
        await world.end()
        assert world.elapsed == pytest.approx(0.1 + 3)


async def test_the_drain_ends_at_its_deadline() -> None:
    """What never ends is cut."""
    async with supervised(Script()) as world:
        await world.ready()
        with world.board.session("ui"):
            world.supervisor.signalled(SIGTERM)
            await world.end()
        assert world.elapsed == pytest.approx(0.1 + 15.5)


async def test_a_second_signal_cuts_the_lame_duck_short() -> None:
    """And the drain with it."""
    async with supervised(Script(), shutdown=Shutdown(total=30.0, lame_duck=8.0)) as world:
        await world.ready()
        with world.board.request("api"):
            world.supervisor.signalled(SIGTERM)
            await world.board.wait_for(lambda seen: seen.daemon is DaemonPhase.LAME_DUCK)
            world.supervisor.signalled(SIGTERM)
            assert (await world.end()).status == 0
        assert world.elapsed == pytest.approx(0.1)


async def test_a_lame_duck_lasts_as_long_as_it_was_set() -> None:
    """Nothing is stopped meanwhile."""
    async with supervised(Script(), shutdown=Shutdown(total=30.0, lame_duck=8.0)) as world:
        await world.ready()
        world.supervisor.signalled(SIGTERM)
        await world.end()
        lame, drain = (world.board.when(p) for p in (DaemonPhase.LAME_DUCK, DaemonPhase.DRAINING))
        assert drain - lame == pytest.approx(8.0)


async def test_a_third_signal_kills_and_exits_with_128_and_the_number() -> None:
    """A deaf child is not waited for."""
    async with supervised(Script(stop_delay=None)) as world:
        await world.ready()
        for _ in range(3):
            world.supervisor.signalled(SIGINT)
        verdict = await world.end()
        assert verdict.status == 130
        assert world.elapsed == pytest.approx(0.1)


async def test_even_an_unkillable_child_does_not_hold_a_forced_exit() -> None:
    """A second, and the sweep's second."""
    async with supervised(Script(unkillable=True)) as world:
        await world.ready()
        for _ in range(3):
            world.supervisor.signalled(SIGTERM)
        assert (await world.end()).status == 143
        assert world.elapsed <= 0.1 + 2.0


async def test_quit_stops_without_drain() -> None:
    """What is in flight is not waited for."""
    async with supervised(Script()) as world:
        await world.ready()
        with world.board.request("api"):
            world.supervisor.signalled(SIGQUIT)
            assert (await world.end()).status == 0
        assert DaemonPhase.DRAINING not in {seen.daemon for _, seen in world.board.seen}


async def test_a_stop_while_starting_ends_the_child_first() -> None:
    """No orphan: it gets its TERM and is reaped before the exit."""
    async with supervised(Script(ready_after=None, stop_delay=0.3)) as world:
        await anyio.sleep(1)
        world.supervisor.signalled(SIGTERM)
        await world.end()
        assert world.elapsed == pytest.approx(1.3)
        assert world.launcher.child.reaped


async def test_a_stop_in_a_backoff_is_over_at_once() -> None:
    """Nothing runs, so nothing is waited for, and nothing is started any more."""
    async with supervised(CRASHES, sidecar=Sidecar(backoff_first=30.0)) as world:
        await anyio.sleep(5)
        world.supervisor.signalled(SIGTERM)
        assert await world.end() == ExitVerdict(0)
        assert world.elapsed == pytest.approx(5)
        assert world.starts == [0]


async def test_a_stop_told_during_the_spawn_ends_the_newborn() -> None:
    """The signal arrives while the process is being made."""
    async with supervised(Script(exits_after=70.0), Script()) as world:
        world.launcher.on_spawn = lambda: world.supervisor.signalled(SIGTERM)
        await world.end()
        assert world.starts == [0, 70]
        assert world.launcher.child.signals[0][1] == SIGTERM


async def test_nothing_is_started_during_the_drain() -> None:
    """A child that dies while requests are in flight is not replaced."""
    async with supervised(Script(exits_after=70.0)) as world:
        await anyio.sleep(69)
        with world.board.request("api"):
            world.supervisor.signalled(SIGTERM)
            await anyio.sleep(10)
        await world.end()
        assert world.starts == [0]


async def test_cancelling_the_run_leaves_no_process_behind() -> None:
    """However the daemon ends; the context holds that nothing is abroad."""
    async with supervised(Script(stop_delay=None, leftovers=True, leftovers_deaf=True)) as world:
        await world.ready()
    assert world.launcher.child.signals[-1][1] == SIGKILL


async def test_an_unready_child_waits_for_its_pipes_only_so_long() -> None:
    """A foreign process that holds the pipe delays the restart by a second, not for ever."""
    async with supervised(Script(exits_after=70.0, pipe_held=True), Script()) as world:
        await world.board.wait_for(lambda seen: seen.restarts == 1)
        assert world.starts == [0, 71]


async def test_every_step_is_told_once_in_the_log() -> None:
    """Stable words, and the last words with the death."""
    with capture_logs() as logs:
        async with supervised(Script(exits_after=9.0, words=("bye",)), Script()) as world:
            await world.board.wait_for(lambda seen: seen.restarts == 1)
            await world.ready()
            world.supervisor.signalled(SIGTERM)
            await world.end()
    services = [log["event"] for log in logs if log["event"].startswith("service.")]
    assert services == [
        "service.spawned",
        "service.ready",
        "service.unready",
        "service.exited",
        "service.backoff",
        "service.spawned",
        "service.ready",
        "service.unready",
        "service.exited",
    ]
    died = next(log for log in logs if log["event"] == "service.exited")
    assert died["last_words"] == ["bye"]
    assert (died["returncode"], died["reason"], died["uptime"]) == (1, "exited", 9.0)
    phases = [log["to"] for log in logs if log["event"] == "daemon.phase"]
    up, down = ["starting", "ready", "unavailable", "ready"], ["draining", "stopping", "exited"]
    assert phases == up + down

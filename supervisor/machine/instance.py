"""The life of one process of a service, from PENDING to EXITED, as a table.

A new process is a new Instance with fresh counts. Each instance that was spawned ends with Reap, or
with Abandon when its group survives KILL. "Stopped" means that the whole process group is gone, not
only its leader: measured, Streamlit exits 0.4 s after TERM and leaves its subprocesses running.
"""

from collections.abc import Callable

from fluxlit.config.settings import Sidecar
from fluxlit.status import InstancePhase
from fluxlit.supervisor.machine import ending, starting
from fluxlit.supervisor.machine.events import (
    EVENTS,
    DeadlinePassed,
    GroupGone,
    InstanceEvent,
    KillAsked,
    LeaderExited,
    LivenessProbed,
    ReadinessProbed,
    RetireAsked,
    SpawnAsked,
    Spawned,
    SpawnRefused,
    StartupProbed,
    StopAsked,
)
from fluxlit.supervisor.machine.lives import Instance, Step
from fluxlit.supervisor.machine.table import Cells, Row, Rows, cells, find, landed, spread

_P = InstancePhase


def step(instance: Instance, event: InstanceEvent, policy: Sidecar) -> Step:
    """The instance after ``event``, and what to do; raises ImpossibleEventError."""
    row = find(TABLE, instance.phase, event)
    after, commands = row.rule(instance, event, policy)
    landed(row, instance.phase, after.phase)
    return after, commands


def stay(instance: Instance, _event: InstanceEvent, _policy: Sidecar) -> Step:
    """Nothing changes."""
    return instance, ()


def _row(rule: Callable[..., Step], *to: InstancePhase) -> Row[InstancePhase, Step]:
    return Row(rule, to)


_SERVING = (_P.READY, _P.UNREADY)
_BORN = (_P.STARTING, *_SERVING, _P.DRAINING)
_ENDING = (_P.STOPPING, _P.KILLING, _P.REAPING)
_PROBED = (StartupProbed, ReadinessProbed, LivenessProbed)

TABLE: Rows[InstancePhase, Step] = {
    (_P.PENDING, SpawnAsked): _row(starting.spawn, _P.SPAWNING),
    **spread(
        [_P.PENDING], [RetireAsked, StopAsked, KillAsked], _row(ending.never_begun, _P.EXITED)
    ),
    (_P.SPAWNING, Spawned): _row(starting.spawned, _P.STARTING),
    (_P.SPAWNING, SpawnRefused): _row(starting.refused, _P.EXITED),
    **spread(
        [_P.SPAWNING], [RetireAsked, StopAsked, KillAsked], _row(ending.stop_unborn, _P.STOPPING)
    ),
    (_P.STARTING, StartupProbed): _row(starting.startup, _P.READY),
    (_P.STARTING, DeadlinePassed): _row(starting.start_timeout, _P.STOPPING),
    (_P.READY, ReadinessProbed): _row(starting.readiness, _P.UNREADY),
    (_P.UNREADY, ReadinessProbed): _row(starting.readiness, _P.READY),
    **spread(_SERVING, [LivenessProbed], _row(starting.liveness, _P.STOPPING)),
    **spread((_P.STARTING, *_SERVING), [RetireAsked], _row(starting.retire, _P.DRAINING)),
    # A retired instance is still watched for hanging, but its readiness matters to nobody.
    (_P.DRAINING, LivenessProbed): _row(starting.liveness, _P.STOPPING),
    **spread([_P.DRAINING], [StartupProbed, ReadinessProbed, RetireAsked], _row(stay)),
    (_P.DRAINING, DeadlinePassed): _row(starting.drained, _P.STOPPING),
    **spread(_BORN, [StopAsked], _row(ending.stop, _P.STOPPING)),
    **spread(_BORN, [KillAsked], _row(ending.kill, _P.KILLING)),
    **spread(_BORN, [LeaderExited], _row(ending.leader_died, _P.REAPING)),
    (_P.STOPPING, Spawned): _row(ending.born_unwanted),
    (_P.STOPPING, SpawnRefused): _row(starting.refused, _P.EXITED),
    (_P.STOPPING, StopAsked): _row(ending.sooner),
    (_P.STOPPING, KillAsked): _row(ending.kill_stopping, _P.KILLING),
    (_P.REAPING, KillAsked): _row(ending.kill, _P.KILLING),
    **spread([_P.STOPPING, _P.REAPING], [DeadlinePassed], _row(ending.grace_over, _P.KILLING)),
    (_P.KILLING, DeadlinePassed): _row(ending.unkillable, _P.EXITED),
    **spread([_P.STOPPING, _P.KILLING], [LeaderExited], _row(ending.leader_obeyed)),
    **spread(_ENDING, [GroupGone], _row(ending.gone, _P.EXITED)),
    # Probes that were under way when the end began.
    **spread(_ENDING, _PROBED, _row(stay)),
    **spread(_ENDING, [RetireAsked], _row(stay)),
    **spread([_P.KILLING, _P.REAPING], [StopAsked], _row(stay)),
    (_P.KILLING, KillAsked): _row(stay),
}

IMPOSSIBLE: Cells[InstancePhase] = (
    cells([_P.PENDING], *_PROBED, Spawned, SpawnRefused, LeaderExited, GroupGone, DeadlinePassed)
    | cells([_P.SPAWNING], *_PROBED, SpawnAsked, LeaderExited, GroupGone, DeadlinePassed)
    | cells([*_BORN, _P.KILLING, _P.REAPING], SpawnAsked, Spawned, SpawnRefused)
    | cells([_P.STOPPING], SpawnAsked)
    # The group cannot be gone before its leader was seen to exit.
    | cells(_BORN, GroupGone)
    | cells([_P.STARTING], ReadinessProbed, LivenessProbed)
    # One start-up probe is in flight at a time, and the one that passed was the last.
    | cells(_SERVING, StartupProbed, DeadlinePassed)
    | cells([_P.REAPING], LeaderExited)
    # Over is over: what comes late is for an instance that nobody knows any more.
    | cells([_P.EXITED], *EVENTS)
)

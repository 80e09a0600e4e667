"""How an instance ends: asked to, by itself, or because it is of no use any more."""

from dataclasses import replace
from signal import SIGKILL, SIGTERM

from fluxlit.config.settings import Sidecar
from fluxlit.status import InstancePhase
from fluxlit.supervisor.machine.budget import KILL_WAIT
from fluxlit.supervisor.machine.commands import (
    Abandon,
    Evidence,
    InstanceCommand,
    Reap,
    Report,
    Signal,
)
from fluxlit.supervisor.machine.events import (
    DeadlinePassed,
    GroupGone,
    InstanceEvent,
    KillAsked,
    LeaderExited,
    Spawned,
    StopAsked,
)
from fluxlit.supervisor.machine.lives import Instance, Step, enter, unpublish
from fluxlit.supervisor.machine.verdict import Reason, Verdict

LEFTOVERS_GRACE = 2.0
"""Seconds between TERM and KILL for what a dead leader leaves behind, at most."""
EXEC_FAILURES = {126: "it is not executable", 127: "no such program"}
"""What the exec shim returns before the program has begun."""


def blame(
    instance: Instance, reason: Reason, detail: str = "", *, permanent: bool = False
) -> Instance:
    """Record why it ends; the first reason stays."""
    if instance.reason:
        return instance
    return replace(instance, reason=reason, detail=detail, permanent=permanent)


def condemn(instance: Instance, at: float, reason: Reason, detail: str, policy: Sidecar) -> Step:
    """End a process that is alive but of no use."""
    evidence = Evidence(instance.id, reason, detail)
    blamed = blame(instance, reason, detail)
    after, commands = terminate(blamed, at, policy.stop_timeout, KILL_WAIT, why=detail)
    return after, (evidence, *commands)


def terminate(instance: Instance, at: float, grace: float, kill_wait: float, why: str = "") -> Step:
    """TERM to the group, and a deadline for it."""
    after = enter(instance, InstancePhase.STOPPING, at, deadline=at + grace, kill_wait=kill_wait)
    return after, (*unpublish(instance, why), Signal(instance.id, SIGTERM))


def stop(instance: Instance, event: StopAsked, _policy: Sidecar) -> Step:
    """Asked to stop: the usual way."""
    blamed = blame(instance, Reason.REQUESTED)
    return terminate(blamed, event.at, event.grace, event.kill_wait)


def never_begun(instance: Instance, event: InstanceEvent, _policy: Sidecar) -> Step:
    """Asked to end before the spawn: there is nothing to end."""
    return end(blame(replace(instance, spawned_at=event.at), Reason.REQUESTED), event.at)


def stop_unborn(instance: Instance, event: InstanceEvent, policy: Sidecar) -> Step:
    """Asked to end while the spawn is under way: remember how, act on Spawned."""
    grace, kill_wait = policy.stop_timeout, KILL_WAIT
    if isinstance(event, StopAsked):
        grace, kill_wait = event.grace, event.kill_wait
    if isinstance(event, KillAsked):
        grace, kill_wait = 0.0, event.kill_wait
    blamed = blame(instance, Reason.REQUESTED)
    return enter(blamed, InstancePhase.STOPPING, event.at, grace=grace, kill_wait=kill_wait), ()


def born_unwanted(instance: Instance, event: Spawned, _policy: Sidecar) -> Step:
    """The process that was asked to end during its spawn exists now."""
    born = replace(instance, pid=event.pid, spawned_at=event.at)
    return terminate(born, event.at, instance.grace, instance.kill_wait)


def sooner(instance: Instance, event: StopAsked, policy: Sidecar) -> Step:
    """A second request to stop may only shorten the time that is left."""
    if instance.deadline is None:
        return stop_unborn(instance, event, policy)
    deadline = min(instance.deadline, event.at + event.grace)
    return replace(instance, deadline=deadline, kill_wait=event.kill_wait), ()


def kill_stopping(instance: Instance, event: KillAsked, policy: Sidecar) -> Step:
    """No more patience with a stop that is under way."""
    if instance.deadline is None:
        return stop_unborn(instance, event, policy)
    return kill(instance, event, policy)


def kill(instance: Instance, event: KillAsked, _policy: Sidecar) -> Step:
    """Asked to be killed at once."""
    blamed = replace(blame(instance, Reason.REQUESTED), kill_wait=event.kill_wait)
    return kill_group(blamed, event.at)


def grace_over(instance: Instance, event: DeadlinePassed, _policy: Sidecar) -> Step:
    """TERM was not obeyed in time."""
    return kill_group(instance, event.at)


def kill_group(instance: Instance, at: float) -> Step:
    """KILL everything; whoever waits for the group to vanish repeats it against fork storms."""
    after = enter(instance, InstancePhase.KILLING, at, deadline=at + instance.kill_wait)
    return after, (*unpublish(instance, ""), Signal(instance.id, SIGKILL))


def unkillable(instance: Instance, event: DeadlinePassed, _policy: Sidecar) -> Step:
    """Uninterruptible sleep in the kernel: nobody can end it, so nobody waits for it."""
    left = replace(instance, reason=Reason.UNKILLABLE, detail="in uninterruptible sleep?")
    return end(left, event.at)


def leader_died(instance: Instance, event: LeaderExited, policy: Sidecar) -> Step:
    """It ended by itself: nothing may reach it any more, and its leftovers must go."""
    why = EXEC_FAILURES.get(event.returncode) if instance.phase is InstancePhase.STARTING else None
    reason = Reason.CRASHED if event.returncode < 0 else Reason.EXITED
    cause = Reason.EXEC_FAILED if why else reason
    blamed = blame(instance, cause, why or "", permanent=why is not None)
    after = enter(
        replace(blamed, returncode=event.returncode),
        InstancePhase.REAPING,
        event.at,
        deadline=event.at + min(LEFTOVERS_GRACE, policy.stop_timeout),
        kill_wait=KILL_WAIT,
    )
    return after, (*unpublish(instance, "its process ended"), Signal(instance.id, SIGTERM))


def leader_obeyed(instance: Instance, event: LeaderExited, _policy: Sidecar) -> Step:
    """The leader has ended as asked; the rest of its group is awaited."""
    return replace(instance, returncode=event.returncode), ()


def gone(instance: Instance, event: GroupGone, _policy: Sidecar) -> Step:
    """Nothing of the group lives any more."""
    return end(instance, event.at)


def end(instance: Instance, at: float) -> Step:
    """It is over: say why, and let go of the process if there was one."""
    after = enter(instance, InstancePhase.EXITED, at)
    reason = after.reason or Reason.REQUESTED
    verdict = Verdict(
        after.service,
        reason,
        after.returncode,
        after.permanent,
        after.detail,
        uptime=at - after.spawned_at,
        ready_for=after.ready_for,
    )
    return replace(after, verdict=verdict), (Report(after.id, verdict), *_let_go(after))


def _let_go(instance: Instance) -> tuple[InstanceCommand, ...]:
    if instance.pid is None:
        return ()
    if instance.reason is Reason.UNKILLABLE:
        return (Abandon(instance.id),)
    return (Reap(instance.id),)

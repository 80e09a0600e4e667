"""What the log says of the life of services, each event once, in stable words."""

from collections.abc import Mapping, Sequence

from fluxlit.log import get_logger
from fluxlit.status import DaemonPhase
from fluxlit.supervisor.machine.commands import (
    BackOff,
    Evidence,
    GiveUp,
    InstanceCommand,
    Promote,
    Publish,
    Raise,
    RolloutCommand,
    Unpublish,
    Withdraw,
)
from fluxlit.supervisor.machine.daemon import Daemon
from fluxlit.supervisor.machine.probing import Activity
from fluxlit.supervisor.machine.verdict import Reason, Verdict

log = get_logger("fluxlit.supervisor")

_TROUBLE = frozenset({DaemonPhase.DEGRADED, DaemonPhase.UNAVAILABLE, DaemonPhase.FAILED})
_ENDINGS = {Reason.HUNG: "service.hung", Reason.START_TIMEOUT: "service.start_timeout"}


def phase_changed(before: Daemon, after: Daemon) -> None:
    """``daemon.phase`` with ``from`` and ``to``; a warning when it is not on the planned road."""
    if after.phase is before.phase:
        return
    say = log.warning if after.phase in _TROUBLE else log.info
    fields: dict[str, object] = {"from": before.phase.value, "to": after.phase.value}
    if after.reason:
        fields["reason"] = after.reason
    if after.phase is DaemonPhase.EXITED:
        fields["status"] = int(after.status)
    say("daemon.phase", **fields)


def spawned(fields: Mapping[str, object]) -> None:
    """``service.spawned``: the process exists."""
    log.info("service.spawned", **fields)


def instance_changed(command: InstanceCommand, fields: Mapping[str, object]) -> None:
    """``service.ready`` with the seconds it took, and ``service.unready`` with the reason."""
    match command:
        case Publish(_, seconds):
            log.info("service.ready", **fields, seconds=round(seconds, 3))
        case Unpublish(_, why):
            say = log.warning if why else log.info
            say("service.unready", **fields, why=why or "asked to end")
        case _:
            pass


def evidence(command: Evidence, fields: Mapping[str, object], activity: Activity) -> None:
    """``service.hung`` or ``service.start_timeout``, with what its processes do, before they are killed."""
    log.error(
        _ENDINGS.get(command.reason, "service.condemned"),
        **fields,
        detail=command.detail,
        states=activity.states,
        cpu_ticks=activity.cpu_ticks,
        waiting_in=list(activity.waiting_in),
    )


def exited(verdict: Verdict, fields: Mapping[str, object], last_words: Sequence[str]) -> None:
    """``service.exited``; with what it said last unless it was asked to end."""
    more: dict[str, object] = {
        "reason": verdict.reason.value,
        "returncode": verdict.returncode,
        "signal": verdict.signal,
        "uptime": round(verdict.uptime, 3),
    }
    if verdict.wanted:
        log.info("service.exited", **fields, **more)
        return
    log.error("service.exited", message=str(verdict), **fields, **more, last_words=list(last_words))


def slot_waits(command: BackOff | GiveUp, last_words: Sequence[str]) -> None:
    """``service.backoff`` with the delay, or ``service.gave_up``."""
    match command:
        case BackOff(service, slot, delay, failures):
            log.warning(
                "service.backoff",
                service=service,
                slot=slot,
                delay=round(delay, 3),
                failures=failures,
            )
        case GiveUp(service, slot, verdict, failures):
            log.error(
                "service.gave_up",
                message=str(verdict),
                service=service,
                slot=slot,
                failures=failures,
                last_words=list(last_words),
            )


def rolled(command: RolloutCommand) -> None:
    """``roll.begun``, then ``roll.done``, or ``roll.failed`` with the reason."""
    match command:
        case Raise(generation):
            log.info("roll.begun", generation=generation)
        case Promote(generation):
            log.info("roll.done", generation=generation)
        case Withdraw(generation, reason):
            log.error("roll.failed", generation=generation, reason=reason)

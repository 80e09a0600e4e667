"""What the log says of the life of services."""

import pytest
from structlog.testing import capture_logs

from fluxlit.status import DaemonPhase
from fluxlit.supervisor import journal
from fluxlit.supervisor.machine import commands as ask
from fluxlit.supervisor.machine.daemon import Daemon
from fluxlit.supervisor.machine.probing import Activity
from fluxlit.supervisor.machine.verdict import Reason, Verdict

FIELDS = {"service": "ui", "instance": "ui-1", "pid": 7}


def test_a_phase_is_told_when_it_changes_only() -> None:
    """With where from and where to; trouble is a warning."""
    with capture_logs() as logs:
        journal.phase_changed(Daemon(), Daemon(since=1.0))
        journal.phase_changed(Daemon(DaemonPhase.READY), Daemon(DaemonPhase.UNAVAILABLE))
    assert logs == [
        {"event": "daemon.phase", "log_level": "warning", "from": "ready", "to": "unavailable"}
    ]


def test_the_exit_of_the_daemon_tells_its_status_and_reason() -> None:
    """One line answers why the container is gone."""
    with capture_logs() as logs:
        after = Daemon(DaemonPhase.EXITED, status=69, reason="ui exited")
        journal.phase_changed(Daemon(DaemonPhase.STOPPING), after)
    assert (logs[0]["status"], logs[0]["reason"]) == (69, "ui exited")


def test_a_wanted_exit_is_no_error_and_has_no_last_words() -> None:
    """Whoever was asked to go needs no explanation."""
    with capture_logs() as logs:
        journal.exited(Verdict("ui", Reason.REQUESTED, returncode=0), FIELDS, ["bye"])
    assert logs[0]["log_level"] == "info"
    assert "last_words" not in logs[0]


def test_a_crash_is_an_error_with_signal_and_last_words() -> None:
    """All that an operator asks for stands in one event."""
    with capture_logs() as logs:
        verdict = Verdict("ui", Reason.CRASHED, returncode=-11, uptime=1.23456)
        journal.exited(verdict, FIELDS, ["Fatal Python error"])
    [log] = logs
    assert (log["log_level"], log["signal"], log["uptime"]) == ("error", "SIGSEGV", 1.235)
    assert log["last_words"] == ["Fatal Python error"]


@pytest.mark.parametrize(("why", "level"), [("no answer", "warning"), ("", "info")])
def test_unready_is_a_warning_unless_it_was_asked_for(why: str, level: str) -> None:
    """A stop of ours withdraws the instance too."""
    with capture_logs() as logs:
        journal.instance_changed(ask.Unpublish("ui-1", why), FIELDS)
    assert (logs[0]["event"], logs[0]["log_level"]) == ("service.unready", level)


def test_the_evidence_of_a_hang_says_what_its_processes_do() -> None:
    """States, CPU time and where they sleep, before they are killed."""
    with capture_logs() as logs:
        evidence = ask.Evidence("ui-1", Reason.HUNG, "its process is stopped (state T)")
        journal.evidence(evidence, FIELDS, Activity("T", 12, ("do_signal_stop",)))
    [log] = logs
    assert (log["event"], log["states"]) == ("service.hung", "T")
    assert log["waiting_in"] == ["do_signal_stop"]


def test_waiting_and_giving_up_are_told_apart() -> None:
    """A delay is a warning, the end of trying an error."""
    with capture_logs() as logs:
        journal.slot_waits(ask.BackOff("ui", 0, 0.37512, 1), ())
        journal.slot_waits(ask.GiveUp("ui", 0, Verdict("ui", Reason.EXITED, 1), 5), ["bad flag"])
    assert [log["event"] for log in logs] == ["service.backoff", "service.gave_up"]
    assert logs[0]["delay"] == 0.375
    assert logs[1]["last_words"] == ["bad flag"]


def test_a_roll_is_told_from_its_begin_to_its_end() -> None:
    """Each in one event; a failure says why."""
    with capture_logs() as logged:
        for command in (
            ask.Raise(2),
            ask.Withdraw(2, "it died", 5.0),
            ask.Raise(3),
            ask.Promote(3, 9.0),
        ):
            journal.rolled(command)
    assert [(e["event"], e["generation"]) for e in logged] == [
        ("roll.begun", 2),
        ("roll.failed", 2),
        ("roll.begun", 3),
        ("roll.done", 3),
    ]
    assert logged[1]["reason"] == "it died"

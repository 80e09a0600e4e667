"""Why an instance ended, in words."""

import pytest

from fluxlit.supervisor.machine.verdict import Reason, Verdict


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_sentence(reason: Reason) -> None:
    """Whatever happens, the operator reads what happened to whom."""
    assert str(Verdict("ui", reason, returncode=-9)).startswith("ui ")


def test_a_crash_names_its_signal_and_how_far_it_came() -> None:
    """The sentence of a crash before it was ready."""
    verdict = Verdict("ui", Reason.CRASHED, returncode=-9, uptime=2.34)
    assert str(verdict) == "ui was killed by SIGKILL after 2.3 s, before it was ready"


def test_a_signal_without_a_name_is_told_by_number() -> None:
    """Real-time signals have no name of their own."""
    assert Verdict("ui", Reason.CRASHED, returncode=-40).signal == "signal 40"


def test_a_status_of_zero_is_no_success() -> None:
    """Intent decides: an exit that nobody asked for is a failure, whatever its status."""
    assert not Verdict("ui", Reason.EXITED, returncode=0).wanted
    assert Verdict("ui", Reason.REQUESTED, returncode=-9).wanted

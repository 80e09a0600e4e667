"""Errors by whose fault, and the exit status each one means."""

import pytest

from fluxlit import errors
from fluxlit.errors import ConfigError, ExitStatus, FluxlitError, ImpossibleEventError, Problem


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (errors.ConfigError, 78),
        (errors.TargetError, 78),
        (errors.BindError, 71),
        (errors.SpawnFailed, 71),
        (errors.GaveUp, 69),
        (errors.UpstreamError, 1),
    ],
)
def test_every_fault_has_its_exit_status(kind: type[FluxlitError], status: int) -> None:
    """Orchestrators tell by the number whether starting again can help."""
    assert kind.exit_status == status


def test_a_problem_says_place_value_expectation_and_cure() -> None:
    """One line that a user can act on."""
    problem = Problem("fluxlit.toml:2 gateway.prot", "80", "a known key", "did you mean port?")
    assert str(problem) == (
        "fluxlit.toml:2 gateway.prot: found 80, expected a known key (did you mean port?)"
    )


def test_a_configuration_error_carries_every_problem() -> None:
    """Not only the first one."""
    problems = (Problem("a", "1", "2"), Problem("b", "3", "4"))
    error = ConfigError(*problems)
    assert error.problems == problems
    assert "a: found 1" in str(error)
    assert "b: found 3" in str(error)


def test_an_impossible_event_is_nobodys_fault_but_ours() -> None:
    """It is no FluxlitError: no handler of the user's faults may swallow it."""
    assert not issubclass(ImpossibleEventError, FluxlitError)
    assert int(ExitStatus.INVARIANT) == 70

"""Errors as lines."""

from fluxlit.config.report import describe
from fluxlit.errors import BindError, ConfigError, Problem


def test_every_problem_is_a_line() -> None:
    """Each problem is a line with place, value, expectation and hint."""
    error = ConfigError(Problem("f:1 a", "1", "2"), Problem("B", "3", "4", "did you mean 5?"))
    assert list(describe(error)) == [
        "fluxlit: f:1 a: found 1, expected 2",
        "fluxlit: B: found 3, expected 4 (did you mean 5?)",
    ]


def test_other_errors_are_one_sentence() -> None:
    """Any other error of ours is one line."""
    assert list(describe(BindError("127.0.0.1:80 is in use"))) == [
        "fluxlit: 127.0.0.1:80 is in use"
    ]

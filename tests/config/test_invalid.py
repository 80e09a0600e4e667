"""The refusal of a value."""

from fluxlit.config.invalid import InvalidValue


def test_it_says_what_was_expected() -> None:
    """Expectation and hint travel apart; the text is the expectation."""
    error = InvalidValue("a port", "below 65536")
    assert (str(error), error.expected, error.hint) == ("a port", "a port", "below 65536")

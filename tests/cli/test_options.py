"""Options made from the table."""

import inspect

from fluxlit.cli.options import run_options, target, with_parameters
from fluxlit.config.arguments import as_flags, flag_rows, option_name


def test_typer_sees_the_signature() -> None:
    """The decorated function shows the parameters and takes them as keywords."""

    @with_parameters([target(), *run_options()])
    def command(**given: object) -> None:
        """Take anything."""

    names = list(inspect.signature(command).parameters)
    assert names == ["target", "config", *(option_name(row) for row in flag_rows())]


def test_options_not_given_are_no_flags() -> None:
    """An option left out does not cover other sources."""
    assert as_flags({parameter.name: None for parameter in run_options()}) == {}

"""Command line options made from the table of settings, for typer.

Typer reads a function's signature; here the signature is made from the rows, so that a flag
exists in one place. Values stay text: ``load`` judges flags, variables and file together.
"""

import inspect
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeAlias

import typer

from fluxlit.config.arguments import TARGET, flag_rows, option_name
from fluxlit.config.settings import Kind
from fluxlit.config.table import TABLE, Row

Command: TypeAlias = Callable[..., None]

CONFIG = typer.Option(None, "--config", metavar="FILE", help="File with settings (TOML)")


def option(row: Row) -> inspect.Parameter:
    """The option of one setting."""
    is_flag = row.about.kind is Kind.FLAG
    metavar = None if is_flag else row.field.rsplit("_", maxsplit=1)[-1].upper()
    return parameter(
        option_name(row),
        bool | None if is_flag else str | None,
        typer.Option(
            None, row.about.flag, metavar=metavar, help=row.about.help, show_default=False
        ),
    )


def target() -> inspect.Parameter:
    """The argument TARGET."""
    about = TABLE[TARGET].about
    return parameter(TARGET, str | None, typer.Argument(None, metavar="TARGET", help=about.help))


def config() -> inspect.Parameter:
    """The option --config."""
    return parameter("config", Path | None, CONFIG)


def parameter(name: str, kind: Any, default: Any) -> inspect.Parameter:  # noqa: ANN401 - typer's
    """One parameter as typer reads it."""
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)


def run_options() -> list[inspect.Parameter]:
    """--config and every flag of the table."""
    return [config(), *(option(row) for row in flag_rows())]


def with_parameters(
    parameters: Iterable[inspect.Parameter],
) -> Callable[[Callable[..., None]], Command]:
    """Give a function that takes ``**given`` the signature that typer shall see."""
    parameters = list(parameters)

    def decorate(function: Callable[..., None]) -> Command:
        function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        function.__annotations__ = {p.name: p.annotation for p in parameters}
        return function

    return decorate

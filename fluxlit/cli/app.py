"""The typer application: all commands, and what happens to their errors."""

import os
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import typer

from fluxlit.cli import control, options
from fluxlit.cli.config import app as config_app
from fluxlit.cli.status import status
from fluxlit.config.arguments import as_flags
from fluxlit.config.load import load
from fluxlit.config.report import describe
from fluxlit.config.table import TABLE
from fluxlit.errors import FluxlitError

DEMO = "fluxlit.demo.app:app"

app = typer.Typer(
    name="fluxlit",
    help="FastAPI and Streamlit on one public port, under one supervising daemon.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(config_app, name="config")


def main(argv: Sequence[str]) -> int:
    """Run one command and return its exit status; errors of ours are lines, not tracebacks."""
    try:
        app(args=list(argv), prog_name="fluxlit")
    except FluxlitError as error:
        for line in describe(error):
            print(line, file=sys.stderr)
        return error.exit_status
    return 0


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"fluxlit {version('fluxlit')}")
        raise typer.Exit


@app.callback()
def fluxlit(
    *,
    _version: bool = typer.Option(
        False, "--version", callback=_show_version, is_eager=True, help="Show the version and exit"
    ),
) -> None:
    """FastAPI and Streamlit on one public port, under one supervising daemon."""


@app.command()
@options.with_parameters([options.target(), *options.run_options()])
def run(**given: object) -> None:
    """Serve an application until SIGTERM or SIGINT."""
    _serve(given)


@app.command()
@options.with_parameters(options.run_options())
def demo(**given: object) -> None:
    """Serve the demo application."""
    _serve({**given, "target": DEMO})


for _command in (status, *control.COMMANDS):
    app.command()(_command)


def _serve(given: Mapping[str, Any]) -> None:
    loaded = load(as_flags(given), os.environ, Path.cwd(), given["config"])
    # Late, so that --help and a wrong setting do not wait for the whole daemon to load.
    from fluxlit.supervisor.run import main as serve  # noqa: PLC0415

    raise typer.Exit(serve(loaded))


@app.command()
@options.with_parameters(
    [
        options.parameter(
            "ready", bool, typer.Option(False, "--ready", help="Ask readyz instead of healthz")
        ),
        options.parameter(
            "timeout",
            str | None,
            typer.Option(None, "--timeout", metavar="SECONDS", help="2 by default"),
        ),
        options.config(),
        options.option(TABLE["gateway.host"]),
        options.option(TABLE["gateway.port"]),
    ]
)
def healthcheck(**_given: object) -> None:
    """Exit with 0 if the daemon on this machine lives (--ready: is ready), else 1."""
    # Listed here for --help and completion; fluxlit.__main__ runs it without typer.
    raise AssertionError("fluxlit.__main__ runs healthcheck")

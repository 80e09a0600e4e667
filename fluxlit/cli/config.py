"""``fluxlit config``: what holds and where it comes from; the schema for editors."""

import json
import os
import sys
from pathlib import Path

import typer

from fluxlit.cli.options import CONFIG
from fluxlit.config.load import load

app = typer.Typer(
    help="Show settings and their schema.", no_args_is_help=True, rich_markup_mode=None
)


@app.command()
def show(
    *,
    config: Path | None = CONFIG,
    origins: bool = typer.Option(False, "--origins", help="Say where each value comes from"),
    as_json: bool = typer.Option(False, "--json", help="Write JSON"),
    as_toml: bool = typer.Option(False, "--toml", help="Write TOML, as fluxlit.toml takes it"),
) -> None:
    """Show the settings that `run` would use here and now; secrets are hidden."""
    from fluxlit.config import show as forms  # noqa: PLC0415

    if as_json and as_toml:
        raise typer.BadParameter("--json and --toml exclude each other")
    loaded = load({}, os.environ, Path.cwd(), config)
    for warning in loaded.warnings:
        print(f"fluxlit: warning: {warning}", file=sys.stderr)
    write = forms.as_json if as_json else forms.as_toml if as_toml else forms.as_text
    sys.stdout.write(write(loaded, origins=origins))


@app.command()
def schema() -> None:
    """Write the JSON Schema of fluxlit.toml."""
    from fluxlit.config.schema import schema as make  # noqa: PLC0415

    print(json.dumps(make(), indent=2))

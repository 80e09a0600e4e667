"""The command line of ``python -m fluxlit.supervisor``, and what all command lines share.

Made from the table with argparse: the daemon of a container does not need typer.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fluxlit.config.load import Loaded, load
from fluxlit.config.report import describe
from fluxlit.config.settings import Kind
from fluxlit.config.table import TABLE, Row, Table
from fluxlit.errors import ConfigError

TARGET = "target"


def flag_rows(table: Table = TABLE) -> Iterator[Row]:
    """The settings that have a flag, in the order of the table."""
    return (row for row in table.values() if row.flags)


def as_flags(given: Mapping[str, Any], table: Table = TABLE) -> dict[str, str]:
    """Turn parsed options (field name → text, bool or None) to what ``load`` takes."""
    flags: dict[str, str] = {}
    for row in (*flag_rows(table), table[TARGET]):
        value = given.get(option_name(row))
        if value is not None:
            flags[row.key] = str(value).lower() if isinstance(value, bool) else value
    return flags


def option_name(row: Row) -> str:
    """The name of the variable that holds the option: unique, unlike the field alone."""
    return row.key.replace(".", "_")


def add_flags(parser: argparse.ArgumentParser, rows: Sequence[Row]) -> None:
    """Add the flags of ``rows``; values stay text, so that ``load`` judges them all at once."""
    for row in rows:
        about, name = row.about, option_name(row)
        if about.kind is Kind.FLAG:
            parser.add_argument(row.flags[0], dest=name, action="store_true", help=about.help)
            for opposite in row.flags[1:]:
                parser.add_argument(opposite, dest=name, action="store_false", help="the opposite")
            parser.set_defaults(**{name: None})
        else:
            metavar = row.field.rsplit("_", maxsplit=1)[-1].upper()
            # argparse would take % for its own formatting.
            text = about.help.replace("%", "%%")
            parser.add_argument(row.flags[0], dest=name, metavar=metavar, help=text)


def parser() -> argparse.ArgumentParser:
    """The parser of the daemon: TARGET, --config and every flag of the table."""
    made = argparse.ArgumentParser(
        prog="python -m fluxlit.supervisor",
        description="Serve a FluxLit application: the daemon of `fluxlit run`.",
        allow_abbrev=False,
    )
    made.add_argument(TARGET, nargs="?", metavar="TARGET", help=TABLE[TARGET].about.help)
    made.add_argument("--config", metavar="FILE", type=Path, help="File with settings (TOML)")
    add_flags(made, list(flag_rows()))
    return made


def parse(argv: Sequence[str]) -> Loaded:
    """Read a command line, and with it every other source, for the process as it is.

    A usage error prints its reason and is SystemExit(2); ConfigError carries wrong settings.
    """
    given = parser().parse_args(argv)
    return load(as_flags(vars(given)), os.environ, Path.cwd(), given.config)


def parse_or_exit(argv: Sequence[str] | None = None) -> Loaded:
    """Read the process's own command line; wrong settings are told, a line each, and exit 78."""
    try:
        return parse(sys.argv[1:] if argv is None else argv)
    except ConfigError as error:
        for line in describe(error):
            sys.stderr.write(f"{line}\n")
        sys.exit(error.exit_status)

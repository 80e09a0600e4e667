"""The documented ``config/fluxlit.toml``: ``python -m fluxlit.config.document > config/fluxlit.toml``.

Every setting stands in it with its default, commented out: a copy of the file pins nothing, so
that PORT and later defaults still count.
"""

import sys
from collections.abc import Iterator
from textwrap import wrap
from typing import Any

import tomli_w

from fluxlit.config.kinds import to_toml
from fluxlit.config.settings import Kind
from fluxlit.config.table import TABLE, Row, Table
from fluxlit.config.units import DURATION_UNITS, SIZE_NAMES

_WIDTH = 96

_HEAD = """\
Every setting of FluxLit with its default. Remove the # in front of a setting to change it.

A setting is taken from the first of: command line flag, environment variable, .env in the working
directory, this file (--config FILE, else fluxlit.toml, else [tool.fluxlit] of pyproject.toml),
default. Made by: python -m fluxlit.config.document > config/fluxlit.toml
"""


def document(table: Table = TABLE) -> str:
    """Write the documented file for ``table``."""
    lines = [f"# {line}".rstrip() for line in _HEAD.splitlines()]
    group = ""
    for row in table.values():
        if row.group != group:
            group = row.group
            lines += ["", f"[{group}]"]
        lines += ["", *_entry(row)]
    return "\n".join(lines) + "\n"


def _entry(row: Row) -> Iterator[str]:
    for text in (f"{row.about.help}.", f"{_describe(row)} {_ways(row)}."):
        yield from (f"# {line}" for line in wrap(text, _WIDTH, break_on_hyphens=False))
    yield from (f"#{line}" for line in assignment(row.field, row.default).splitlines())


def assignment(name: str, value: Any) -> str:  # noqa: ANN401 - a setting may be of any type
    """Write ``name = value`` as TOML, without a newline at the end."""
    return tomli_w.dumps({name: to_toml(value)}).rstrip("\n")


def _describe(row: Row) -> str:
    about = row.about
    parts = [f"one of {', '.join(about.choices)}" if about.choices else str(about.kind)]
    parts += _units(about.kind)
    parts += [f"at least {about.least:g}"] if about.least is not None else []
    parts += [f"at most {about.most:g}"] if about.most is not None else []
    parts += ["secret"] if about.secret else []
    text = ", ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def _units(kind: Kind) -> list[str]:
    if kind in {Kind.SECONDS, Kind.TOTAL}:
        return [f"or a text with {', '.join(DURATION_UNITS)}"]
    return [f"or a text with {', '.join(SIZE_NAMES)}"] if kind is Kind.BYTES else []


def _ways(row: Row) -> str:
    flags = [" / ".join(row.flags)] if row.flags else []
    return f"Also {', '.join([*row.variables, *flags])}"


if __name__ == "__main__":
    sys.stdout.write(document())

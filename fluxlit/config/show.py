"""Settings as text, JSON and TOML, with where they come from; secrets never print."""

import json
from collections.abc import Iterator
from typing import Any

import tomli_w

from fluxlit.config.kinds import to_toml
from fluxlit.config.load import Loaded
from fluxlit.config.table import TABLE, Row, Table, value_of

HIDDEN = "***"


def as_text(loaded: Loaded, *, origins: bool, table: Table = TABLE) -> str:
    """One aligned line a setting; with ``origins`` and where its value comes from."""
    rows = [(row.key, json.dumps(_value(loaded, row)), row) for row in table.values()]
    wide = max(len(key) for key, _, _ in rows)
    # A long list must not push the origins of all others off the screen.
    broad = min(32, max(len(value) for _, value, _ in rows))
    lines = [
        f"{key:<{wide}}  {value:<{broad}}  {_origin(loaded, row)}"
        if origins
        else f"{key:<{wide}}  {value}"
        for key, value, row in rows
    ]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def as_json(loaded: Loaded, *, origins: bool, table: Table = TABLE) -> str:
    """The settings as nested objects, or with ``origins`` flat: key → value, source, place."""
    if not origins:
        return json.dumps(_nested(loaded, table), indent=2) + "\n"
    flat = {
        row.key: {
            "value": _value(loaded, row),
            "source": str(loaded.origins[row.key].source),
            "place": loaded.origins[row.key].place,
        }
        for row in table.values()
    }
    return json.dumps(flat, indent=2) + "\n"


def as_toml(loaded: Loaded, *, origins: bool, table: Table = TABLE) -> str:
    """A file that loads to the same settings; with ``origins`` as comments on top."""
    head = "".join(f"# {line}\n" for line in _origins(loaded, table)) if origins else ""
    return head + ("\n" if head else "") + tomli_w.dumps(_nested(loaded, table))


def _origins(loaded: Loaded, table: Table) -> Iterator[str]:
    for row in table.values():
        yield f"{row.key}: {_origin(loaded, row)}"


def _origin(loaded: Loaded, row: Row) -> str:
    return str(loaded.origins[row.key])


def _value(loaded: Loaded, row: Row) -> Any:  # noqa: ANN401 - a setting may be of any type
    value = value_of(loaded.settings, row)
    return HIDDEN if row.about.secret and value else to_toml(value)


def _nested(loaded: Loaded, table: Table) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for row in table.values():
        holder = nested.setdefault(row.group, {}) if row.group else nested
        holder[row.field] = _value(loaded, row)
    return nested

"""JSON Schema of ``fluxlit.toml`` (draft 2020-12), for editors; made from the table."""

from collections.abc import Callable, Mapping
from typing import Any

from fluxlit.config.kinds import to_toml
from fluxlit.config.settings import About, Kind
from fluxlit.config.table import FILE_ALIASES, TABLE, Row, Table

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_WHOLE: Schema = {"type": "integer"}
_TEXTS: Schema = {"type": "array", "items": {"type": "string"}}
_DURATION: Schema = {
    "type": "string",
    "pattern": r"^\s*[0-9.]+([eE][+-]?[0-9]+)?\s*(ms|s|m|h)?\s*$",
}
_SIZE: Schema = {"type": "string", "pattern": r"^\s*[0-9.]+\s*([kKMG]i?)?B?\s*$"}


def _bounded(schema: Schema, about: About) -> Schema:
    bounds = {"minimum": about.least, "maximum": about.most}
    return schema | {name: bound for name, bound in bounds.items() if bound is not None}


def _seconds(about: About) -> Schema:
    return {"anyOf": [_bounded({"type": "number", "minimum": 0}, about), _DURATION]}


def _total(about: About) -> Schema:
    return {"anyOf": [{"const": "auto"}, *_seconds(about)["anyOf"]]}


def _number(about: About) -> Schema:
    return {"anyOf": [{"const": "auto"}, _bounded(_WHOLE, about)]}


def _bytes(about: About) -> Schema:
    return {"anyOf": [_bounded(_WHOLE, about), _SIZE]}


def _choice(about: About) -> Schema:
    return {"enum": list(about.choices)}


def _always(schema: Schema) -> Callable[[About], Schema]:
    return lambda _about: schema


SHAPES: Mapping[Kind, Callable[[About], Schema]] = {
    Kind.TEXT: _always(_TEXT),
    Kind.FLAG: _always({"type": "boolean"}),
    Kind.COUNT: lambda about: _bounded(_WHOLE, about),
    Kind.SECONDS: _seconds,
    Kind.BYTES: _bytes,
    Kind.PORT: _always(_WHOLE | {"minimum": 0, "maximum": 65535}),
    Kind.TEXTS: _always(_TEXTS),
    Kind.NETWORKS: _always(_TEXTS),
    Kind.ORIGINS: _always(_TEXTS),
    Kind.PREFIX: _always(_TEXT),
    Kind.URL: _always(_TEXT),
    Kind.TOTAL: _total,
    Kind.NUMBER: _number,
    Kind.CHOICE: _choice,
    Kind.TABLE: _always({"type": "object"}),
}


def schema(table: Table = TABLE) -> Schema:
    """Describe the file; keys of fluxlit 0.13 are there, marked deprecated."""
    properties: Schema = {}
    for row in table.values():
        holder = properties
        if row.group:
            empty: Schema = {"type": "object", "properties": {}, "additionalProperties": False}
            holder = properties.setdefault(row.group, empty)["properties"]
        holder[row.field] = _describe(row)
    for alias, key in FILE_ALIASES.items():
        properties[alias] = _describe(table[key]) | {"deprecated": True}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "fluxlit.toml",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }


def _describe(row: Row) -> Schema:
    ways = ", ".join((*row.variables, *row.flags))
    shape = SHAPES[row.about.kind](row.about)
    return {
        "description": row.about.help,
        **shape,
        "default": to_toml(row.default),
        "$comment": f"Also {ways}",
    }

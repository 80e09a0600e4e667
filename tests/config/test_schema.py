"""The JSON Schema of the file."""

import importlib
import json
import re
from typing import Any

import pytest

from fluxlit.config.kinds import to_toml
from fluxlit.config.schema import SHAPES, schema
from fluxlit.config.settings import Kind
from fluxlit.config.table import FILE_ALIASES, TABLE


def problems(document: object) -> list[str]:
    """What a draft 2020-12 validator finds wrong (jsonschema comes with Streamlit)."""
    jsonschema: Any = importlib.import_module("jsonschema")
    validator = jsonschema.Draft202012Validator(schema())
    return [error.json_path for error in validator.iter_errors(document)]


def defaults() -> dict[str, Any]:
    """The file with every setting at its default."""
    document: dict[str, Any] = {}
    for row in TABLE.values():
        holder = document.setdefault(row.group, {}) if row.group else document
        holder[row.field] = to_toml(row.default)
    return document


def test_it_is_a_schema() -> None:
    """It satisfies the meta schema and is JSON."""
    jsonschema: Any = importlib.import_module("jsonschema")
    jsonschema.Draft202012Validator.check_schema(schema())
    json.dumps(schema())


def test_every_kind_has_a_shape() -> None:
    """No kind is left out."""
    assert set(SHAPES) == set(Kind)


def test_the_defaults_are_valid() -> None:
    """The documented file passes, and so do the keys of old."""
    assert problems(defaults()) == []
    assert problems({"gateway_port": 1, "root_path": "/x"}) == []


@pytest.mark.parametrize(
    "document",
    [
        {"gateway": {"port": "80"}},
        {"gateway": {"port": 70000}},
        {"gateway": {"prot": 1}},
        {"gatewy": {}},
        {"log": {"level": "loud"}},
        {"relay": {"keep_alive": 9}},
        {"relay": {"head_timeout": "soon"}},
        {"gateway": {"max_body": "1TB"}},
        {"sidecar": {"run_args": "--x"}},
        {"shutdown": {"total": "never"}},
        {"debug": "true"},
    ],
)
def test_mistakes_are_seen(document: object) -> None:
    """What the loader refuses for its type or name, an editor marks too."""
    assert problems(document) != []


@pytest.mark.parametrize(
    "document",
    [
        {"relay": {"head_timeout": "500ms", "idle_timeout": 2}},
        {"gateway": {"max_body": "200 MiB", "max_websocket_message": "1kB"}},
        {"shutdown": {"total": "auto"}},
        {"shutdown": {"total": "2m"}},
    ],
)
def test_units_are_valid(document: object) -> None:
    """Durations and sizes with units are no mistakes."""
    assert problems(document) == []


def test_everything_is_described() -> None:
    """Every key has its help and default; keys of old are marked."""
    properties = schema()["properties"]
    for row in TABLE.values():
        holder = properties[row.group]["properties"] if row.group else properties
        assert holder[row.field]["description"] == row.about.help
        assert holder[row.field]["default"] == to_toml(row.default)
    assert all(properties[alias]["deprecated"] for alias in FILE_ALIASES)


def test_patterns_are_portable() -> None:
    """Patterns stay within what ECMA-262 and Python agree on."""
    for pattern in re.findall(r'"pattern": "([^"]*)"', json.dumps(schema())):
        assert "(?" not in pattern
        assert pattern.startswith("^")
        assert pattern.endswith("$")

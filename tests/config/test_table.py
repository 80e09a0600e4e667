"""The table is all of the settings, and nothing in it is ambiguous."""

from collections import Counter
from dataclasses import dataclass, field, fields, is_dataclass

import pytest

from fluxlit.config.kinds import READERS, read_toml, to_toml
from fluxlit.config.settings import Kind, Settings
from fluxlit.config.table import FILE_ALIASES, TABLE, Row, build, read_table, value_of


def test_every_field_is_a_row() -> None:
    """No field of the settings classes is missing from the table."""
    expected: set[str] = set()
    for outer in fields(Settings):
        if isinstance(outer.type, type) and is_dataclass(outer.type):
            expected |= {f"{outer.name}.{inner.name}" for inner in fields(outer.type)}
        else:
            expected.add(outer.name)
    assert set(TABLE) == expected


def test_a_field_without_about_is_refused() -> None:
    """A setting that the table could not describe never gets into it."""

    @dataclass
    class Careless:
        forgotten: int = field(default=1)

    with pytest.raises(TypeError, match="forgotten"):
        read_table(Careless)


def test_every_kind_has_a_reader() -> None:
    """Readers and kinds are the same set."""
    assert set(READERS) == set(Kind)


def test_every_row_has_help() -> None:
    """The help is a phrase that fits into one comment: no line break, no full stop."""
    for row in TABLE.values():
        assert row.about.help, row.key
        assert row.about.help == row.about.help.strip().rstrip("."), row.key
        assert "\n" not in row.about.help


def test_choices_are_given_for_choices_alone() -> None:
    """A choice has its words, and its default is one of them."""
    for row in TABLE.values():
        assert bool(row.about.choices) == (row.about.kind is Kind.CHOICE), row.key
        assert row.about.kind is not Kind.CHOICE or row.default in row.about.choices


def test_regular_names_are_unique() -> None:
    """No two settings share their regular variable."""
    counted = Counter(row.regular for row in TABLE.values())
    assert max(counted.values()) == 1


def test_no_variable_sets_two_settings() -> None:
    """An alias of one setting is not the name of another."""
    counted = Counter(name for row in TABLE.values() for name in row.variables)
    assert [name for name, times in counted.items() if times > 1] == []


def test_no_flag_sets_two_settings() -> None:
    """A flag means one thing."""
    counted = Counter(flag for row in TABLE.values() for flag in row.flags)
    assert [flag for flag, times in counted.items() if times > 1] == []


@pytest.mark.parametrize("row", TABLE.values(), ids=lambda row: row.key)
def test_every_default_is_valid(row: Row) -> None:
    """What is written as the default reads back as the default."""
    assert read_toml(to_toml(row.default), row.about) == row.default


def test_file_aliases_lead_to_settings() -> None:
    """Each key of old stands for a setting, and none hides a group."""
    assert set(FILE_ALIASES.values()) <= set(TABLE)
    assert set(FILE_ALIASES).isdisjoint(TABLE)


def test_build_keeps_what_is_not_given() -> None:
    """Given values are set, in groups and at the top; the rest is default."""
    settings = build(Settings, {"gateway.port": 1, "title": "x"})
    changed = {key for key, row in TABLE.items() if value_of(settings, row) != row.default}
    assert changed == {"gateway.port", "title"}

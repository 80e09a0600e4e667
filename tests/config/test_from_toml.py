"""Values from TOML files."""

import datetime as dt

import pytest

from fluxlit.config.invalid import InvalidValue
from fluxlit.config.kinds import READERS, read_toml, to_toml
from fluxlit.config.settings import About, Kind


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (Kind.TEXT, "a", "a"),
        (Kind.FLAG, True, True),
        (Kind.COUNT, 3, 3),
        (Kind.SECONDS, 3, 3.0),
        (Kind.SECONDS, 0.1, 0.1),
        (Kind.SECONDS, "500ms", 0.5),
        (Kind.BYTES, 3, 3),
        (Kind.BYTES, "1MB", 1_000_000),
        (Kind.PORT, 80, 80),
        (Kind.TEXTS, ["a", "b,c"], ("a", "b,c")),
        (Kind.NETWORKS, ["*"], ("*",)),
        (Kind.ORIGINS, ["https://A"], ("https://a",)),
        (Kind.PREFIX, "a", "/a"),
        (Kind.URL, "", ""),
        (Kind.TOTAL, "auto", None),
        (Kind.TOTAL, 30, 30.0),
        (Kind.NUMBER, "auto", None),
        (Kind.NUMBER, 3, 3),
        (Kind.TABLE, {"a": 1}, {"a": 1}),
    ],
)
def test_valid(kind: Kind, value: object, expected: object) -> None:
    """Each kind reads its natural TOML type, durations and sizes also with units."""
    assert read_toml(value, About(kind, "")) == expected


@pytest.mark.parametrize(
    ("kind", "value", "hint"),
    [
        (Kind.TEXT, 1, "in quotes"),
        (Kind.TEXT, ["a"], ""),
        (Kind.FLAG, "true", "without quotes"),
        (Kind.FLAG, 1, ""),
        (Kind.COUNT, "3", "without quotes"),
        (Kind.COUNT, True, ""),
        (Kind.COUNT, 1.0, ""),
        (Kind.SECONDS, True, ""),
        (Kind.SECONDS, float("nan"), ""),
        (Kind.SECONDS, float("inf"), ""),
        (Kind.SECONDS, -1, ""),
        (Kind.SECONDS, dt.time(1), ""),
        (Kind.BYTES, 1.5, ""),
        (Kind.PORT, "80", "without quotes"),
        (Kind.PORT, 70000, ""),
        (Kind.TEXTS, "a", 'write ["a"]'),
        (Kind.TEXTS, ["a", 1], "1 is none"),
        (Kind.NETWORKS, "*", 'write ["*"]'),
        (Kind.PREFIX, 1, "in quotes"),
        (Kind.TOTAL, False, ""),
        (Kind.NUMBER, "3", "without quotes"),
        (Kind.TABLE, 1, ""),
    ],
)
def test_wrong_types(kind: Kind, value: object, hint: str) -> None:
    """Another type is refused, with a hint where the mistake is a common one."""
    with pytest.raises(InvalidValue) as caught:
        read_toml(value, About(kind, ""))
    assert caught.value.hint == hint


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_refuses_a_date(kind: Kind) -> None:
    """No reader lets through, or breaks on, a type that no setting has."""
    with pytest.raises(InvalidValue):
        READERS[kind].toml(dt.date(2020, 1, 1), About(kind, ""))


def test_to_toml() -> None:
    """What TOML lacks is spelled: no value as auto, tuples as lists."""
    assert [to_toml(None), to_toml(("a",)), to_toml(1.5)] == ["auto", ["a"], 1.5]

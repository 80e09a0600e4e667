"""Bounds that hold from any source."""

import pytest

from fluxlit.config.invalid import InvalidValue
from fluxlit.config.limits import in_port_range, mapping, printable, strings, within
from fluxlit.config.settings import About, Kind


def test_nothing_is_negative() -> None:
    """A number without a stated bound is at least 0."""
    within(0, About(Kind.COUNT, ""))
    with pytest.raises(InvalidValue, match="at least 0"):
        within(-1, About(Kind.COUNT, ""))


@pytest.mark.parametrize("number", [-1, 65536])
def test_ports(number: int) -> None:
    """Ports end at 65535."""
    with pytest.raises(InvalidValue):
        in_port_range(number)


@pytest.mark.parametrize("text", ["\n", "\x1b[31m", "\x00", "\u202e", "\ud800"])
def test_no_control_characters(text: str) -> None:
    """Line breaks, terminal escapes and what reverses text are refused."""
    with pytest.raises(InvalidValue):
        printable(text)


def test_shapes() -> None:
    """Lists and tables are what they say."""
    assert strings(["a"]) == ("a",)
    assert mapping({"a": 1}) == {"a": 1}
    for wrong in ("a", {"a": 1}, [1], None):
        with pytest.raises(InvalidValue):
            strings(wrong)
    with pytest.raises(InvalidValue):
        mapping([])

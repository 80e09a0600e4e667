"""Any value becomes something JSON can say."""

import json
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fluxlit.log.plain import ELLIPSIS, MAX_DEPTH, MAX_VALUES, Plainer, shorten
from fluxlit.log.redaction import MARK

SECRET = "xyzzy-7731"


class Phase(StrEnum):
    """An enum whose text is its value."""

    READY = "ready"


class Unprintable:
    """An object that fails when it is printed."""

    def __str__(self) -> str:
        msg = "no"
        raise RuntimeError(msg)


class Hostile(Mapping[str, object]):
    """A mapping that fails when it is read."""

    def __getitem__(self, key: str) -> object:
        raise RuntimeError(key)

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError

    def __len__(self) -> int:
        return 3


def plain(value: object, longest: int = 1000) -> Any:
    """The value as it would stand in an event."""
    return Plainer(lambda text: text, longest).mapping({"v": value})["v"]


def test_values_that_json_has_stay() -> None:
    """Numbers, texts, lists and mappings are what they were."""
    value = {"a": [1, 2.5, True, None, "x"], "b": {"c": "d"}}
    assert plain(value) == value


def test_values_that_json_lacks_become_their_nearest() -> None:
    """Bytes, sets, tuples, enums, paths, NaN: all readable, none an error."""
    assert plain((b"\xffa", {1}, Phase.READY, Path("/x"), float("nan"), float("inf"))) == [
        "\\xffa", [1], "ready", "/x", "nan", "inf",
    ]  # fmt: skip


def test_hostile_objects_cost_their_value_only() -> None:
    """An object that raises is named by its type; the event survives."""
    assert plain([Unprintable(), Hostile(), 1]) == [
        "<unprintable Unprintable>",
        "<unreadable Hostile>",
        1,
    ]


def test_an_integer_of_any_size_can_be_written() -> None:
    """Python itself refuses to print more than 4 300 digits."""
    assert plain(10**10_000, 60).startswith("0x")


def test_a_cycle_ends() -> None:
    """Depth is bounded, and so is the sum of all values in a cycle with branches."""
    branches: list[object] = []
    branches += [branches] * 10
    text = json.dumps(plain(branches))
    assert ELLIPSIS in text or "\\u2026" in text
    assert text.count("[") <= MAX_VALUES + MAX_DEPTH


def test_a_long_text_keeps_head_and_tail() -> None:
    """The end of a traceback says most, its beginning says where."""
    text = shorten("a" * 5000 + "b" * 5000, 300)
    assert text.startswith("a" * 200)
    assert text.endswith("b" * 100)
    assert "9700 characters left out" in text


def _nest(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(children, max_size=3) | st.dictionaries(
        st.text(max_size=5), children, max_size=3
    )


SECRET_KEYS = st.sampled_from(
    ["Authorization", "COOKIE", "set-cookie", "Access_Token", "x-xsrftoken", "session_id"]
)
SECRETS = st.sampled_from([SECRET, SECRET.encode(), [SECRET], {"a": SECRET}, (SECRET, 1)])


def _under(key: str, value: object) -> dict[str, object]:
    return {key: value}


def _header(key: str, value: object) -> list[object]:
    return [(key.encode(), value)]


HOLDERS: st.SearchStrategy[object] = st.builds(_under, SECRET_KEYS, SECRETS) | st.builds(
    _header, SECRET_KEYS, SECRETS
)


@given(st.recursive(HOLDERS, _nest, max_leaves=20))
def test_a_secret_never_appears_at_any_depth(value: object) -> None:
    """Under a secret key, in a mapping or a list of headers, whatever the value is made of."""
    text = json.dumps(plain(value))
    assert SECRET not in text


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(), _nest
    )
)
def test_every_value_can_be_dumped(value: object) -> None:
    """What comes out is JSON, without NaN."""
    json.dumps(plain(value), allow_nan=False)


def test_whether_a_secret_is_there_may_be_seen() -> None:
    """None and booleans are no secrets, and tell an operator whether one is set."""
    assert Plainer(str, 10).mapping({"token": None, "cookie": True, "password": 1234}) == {
        "token": None, "cookie": True, "password": MARK,
    }  # fmt: skip

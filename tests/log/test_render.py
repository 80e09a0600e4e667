"""Events as lines of JSON and as lines for a person."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxlit.log.render import MAX_LINE, ConsoleLines, encoded, json_line

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


def line(**event: Any) -> str:
    """The JSON line of an event."""
    return json_line(event, lambda text: text)


@given(st.dictionaries(st.text(), VALUES, max_size=6))
def test_any_event_is_one_json_object_on_one_line(event: dict[str, Any]) -> None:
    """No input makes a second line for any reader of lines, or something that is not JSON."""
    raw = encoded(json_line(event, lambda text: text))
    assert len(raw.decode().splitlines()) == 1
    assert isinstance(json.loads(raw), dict)


def test_the_keys_that_everybody_reads_come_first() -> None:
    """Time, level, logger, event, message; then the rest as given."""
    text = line(pid=1, event="a.b", time="t", logger="l", message="A sentence", level="info")
    assert list(json.loads(text)) == ["time", "level", "logger", "event", "message", "pid"]


def test_without_a_sentence_the_message_is_the_name() -> None:
    """Collectors that show `message` alone always have something to show."""
    assert json.loads(line(event="a.b"))["message"] == "a.b"


@pytest.mark.parametrize(
    "event",
    [
        {"event": "x", "text": "é" * 1_000_000},
        {"event": "x", **{f"k{n}": "v" * 9000 for n in range(50)}},
        {"event": "x" * 200_000, "level": "info"},
        {"event": "x", "k" * 300_000: 1},
        {"event": "x", "many": list(range(100_000))},
        {"event": "x", "nul": "\0" * 60_000},
    ],
)
def test_a_line_is_never_longer_than_its_limit(event: dict[str, Any]) -> None:
    """Whatever is long: a text, the number of keys, the name, a key, a list, what escapes make of it."""
    raw = encoded(json_line(event, lambda text: text))
    assert len(raw) < MAX_LINE
    assert json.loads(raw)["event"].startswith("x")


def test_a_long_traceback_keeps_its_end() -> None:
    """The exception itself stands at the end of a traceback."""
    text = json.loads(line(event="x", exception="frame\n" * 50_000 + "ValueError: why"))[
        "exception"
    ]
    assert text.endswith("ValueError: why")


def test_a_person_reads_time_level_sentence_and_fields() -> None:
    """One line, and the traceback below it with its own lines."""
    shown = ConsoleLines(str, colors=False)(
        {"time": "2026-01-02T03:04:05.678Z", "level": "error", "event": "a.b", "message": "It broke", "pid": 7,
         "exception": "Traceback:\nValueError"}
    )  # fmt: skip
    assert shown.splitlines() == [
        "03:04:05.678 [error    ] a.b: It broke                  pid=7",
        "Traceback:",
        "ValueError",
    ]


@given(st.text())
def test_nothing_that_is_logged_steers_the_terminal(text: str) -> None:
    """Escape sequences of others are shown, not obeyed."""
    shown = ConsoleLines(str, colors=False)(
        {"event": text, "k": text, "message": text, "exception": text}
    )
    assert not set(shown) & {"\x1b", "\x07", "\x08", "\r", "\x9b", "\0"}

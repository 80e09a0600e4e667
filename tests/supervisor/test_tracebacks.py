"""Tracebacks as real Pythons write them, folded into one event each."""

import subprocess
import sys
from itertools import chain

import pytest

from fluxlit.supervisor.lines import Line
from fluxlit.supervisor.tracebacks import (
    MAX_CHARACTERS,
    MAX_LINES,
    SILENCE,
    Event,
    Folder,
    Traceback,
)

PLAIN = "def f(): 1 / 0\nf()"
CHAINED = "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise ValueError('outer: x') from e"
DURING = "try:\n    1 / 0\nexcept ZeroDivisionError:\n    raise KeyError('k')"
THRICE = """
try:
    try:
        1 / 0
    except Exception:
        raise OSError
except OSError as e:
    raise EOFError from e
"""
GROUP = "raise ExceptionGroup('many', [ValueError('a'), ExceptionGroup('in', [OSError(2, 'b')])])"
GROUP_CHAINED = """
try:
    raise ExceptionGroup('first', [ValueError('a')])
except* ValueError as e:
    raise EOFError('last') from e
"""
CAUSED_GROUP = "try:\n    1 / 0\nexcept Exception as e:\n    raise ExceptionGroup('many', [ValueError('a')]) from e"
NESTED_CHAIN = (
    "def f():\n    try:\n        1 / 0\n    except Exception:\n        raise OSError('x')\n"
    "try:\n    f()\nexcept Exception as e:\n    raise ExceptionGroup('many', [e])"
)
INDENTED = "raise RuntimeError('first\\n  second\\n\\n  third')"
RECURSION = "def f(): f()\nf()"
DOTTED = "import json; json.loads('')"
EXIT = "raise SystemExit('bye')"
SYNTAX = "x = ("
CUSTOM = "class Out:\n    class Oops(Exception): pass\nraise Out.Oops"


def stderr_of(code: str) -> list[str]:
    """What a real Python writes when it dies of this code."""
    done = subprocess.run(
        [sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, check=False
    )
    return done.stderr.splitlines()


def fold(lines: list[str]) -> list[Event]:
    """The events of these lines, without pauses, until the end."""
    folder = Folder()
    events = list(chain.from_iterable(folder.feed(Line(line), 0.0) for line in lines))
    return [*events, *folder.end()]


@pytest.mark.parametrize(
    ("code", "exc_type", "exc_message"),
    [
        (PLAIN, "ZeroDivisionError", "division by zero"),
        (CHAINED, "ValueError", "outer: x"),
        (DURING, "KeyError", "'k'"),
        (THRICE, "EOFError", ""),
        (GROUP, "ExceptionGroup", "many (2 sub-exceptions)"),
        (CAUSED_GROUP, "ExceptionGroup", "many (1 sub-exception)"),
        (NESTED_CHAIN, "ExceptionGroup", "many (1 sub-exception)"),
        (INDENTED, "RuntimeError", "first"),
        (RECURSION, "RecursionError", "maximum recursion depth exceeded"),
        (DOTTED, "json.decoder.JSONDecodeError", "Expecting value: line 1 column 1 (char 0)"),
        (SYNTAX, "SyntaxError", "'(' was never closed"),
        (CUSTOM, "Out.Oops", ""),
    ],
)
def test_a_traceback_of_a_real_child_is_one_event(
    code: str, exc_type: str, exc_message: str
) -> None:
    """With the last exception of the chain as its type; ordinary lines around it stay lines."""
    lines = stderr_of(code)
    before, folded, after = fold(["before", *lines, "after: x"])
    assert (before, after) == (Line("before"), Line("after: x"))
    assert isinstance(folded, Traceback)
    assert (folded.exc_type, folded.exc_message) == (exc_type, exc_message)
    assert folded.stacktrace == "\n".join(lines)
    assert not folded.partial


def test_a_group_in_a_chain_is_one_event() -> None:
    """Group, link, and whatever follows it."""
    lines = stderr_of(GROUP_CHAINED)
    (folded,) = fold(lines)
    assert isinstance(folded, Traceback)
    assert folded.stacktrace == "\n".join(lines)


def test_two_tracebacks_in_a_row_are_two_events() -> None:
    """Without a link they have nothing to do with each other."""
    lines = stderr_of(PLAIN)
    first, second = fold([*lines, *lines])
    assert first == second


def test_what_only_looks_like_a_traceback_stays_lines() -> None:
    """A mere mention, an indented copy, an exit message."""
    lines = [
        "no Traceback (most recent call last): here",
        "Traceback of the day",
        "  indented",
        *stderr_of(EXIT),
    ]
    assert fold(lines) == [Line(line) for line in lines]


def test_a_broken_off_traceback_is_told_without_its_type() -> None:
    """The child was killed in the middle, or other output cut in."""
    lines = stderr_of(PLAIN)[:-1]
    folded, after = fold([*lines, "something else entirely"])
    assert isinstance(folded, Traceback)
    assert folded.exc_type is None
    assert after == Line("something else entirely")


def test_silence_ends_a_traceback() -> None:
    """The deadline leaves as data; every line moves it."""
    folder, at = Folder(), 0.0
    for line in stderr_of(PLAIN):
        at += SILENCE / 2
        assert list(folder.due(at)) == []
        assert list(folder.feed(Line(line), at)) == []
    assert folder.deadline == pytest.approx(at + SILENCE)
    (folded,) = folder.due(at + SILENCE)
    assert isinstance(folded, Traceback)
    assert folder.deadline is None
    assert list(folder.feed(Line("  more"), at + 1)) == [Line("  more")]


def test_a_traceback_without_end_is_cut_at_its_limits() -> None:
    """By lines and by size; the pieces say so, and the last one has the type."""
    head, tail = ["Traceback (most recent call last):"], ["ValueError: x"]
    for frame, limit in (("  f", MAX_LINES), ("  " + "f" * 8000, MAX_CHARACTERS // 8000 + 1)):
        *pieces, last = fold([*head, *[frame] * (2 * limit), *tail])
        assert len(pieces) == 2
        assert isinstance(last, Traceback)
        assert last.exc_type == "ValueError"
        for piece in pieces:
            assert isinstance(piece, Traceback)
            assert piece.partial
            assert len(piece.stacktrace) < MAX_CHARACTERS + 10_000


def test_parts_of_a_long_line_stay_together() -> None:
    """A message beyond the line limit is glued, not broken."""
    folder = Folder()
    parts = [
        Line("ValueError: aa", partial=True, seq=0),
        Line("bb", partial=True, seq=1),
        Line("cc", seq=2),
    ]
    for line in (Line("Traceback (most recent call last):"), Line("  f"), *parts):
        assert list(folder.feed(line, 0.0)) == []
    (folded,) = folder.end()
    assert isinstance(folded, Traceback)
    assert folded.stacktrace.endswith("ValueError: aabbcc")

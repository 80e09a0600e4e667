"""Bytes to lines: bounded, printable, the same however they are cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxlit.supervisor.lines import BAR_IDLE, IDLE, MAX_LINE, Line, LineCutter


def cut(*pieces: bytes) -> list[Line]:
    """The lines of a stream that comes in these pieces, without pauses."""
    cutter = LineCutter()
    lines = [line for piece in pieces for line in cutter.feed(piece, 0.0)]
    return [*lines, *cutter.end()]


def texts(*pieces: bytes) -> list[str]:
    """Only their texts."""
    return [line.text for line in cut(*pieces)]


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"a\nb\n", ["a", "b"]),
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"a\n\nb", ["a", "", "b"]),
        (b"\n", [""]),
        (b"no end", ["no end"]),
        (b" 10%\r 20%\r 100%\ndone\n", [" 100%", "done"]),
        (b"10%\r20%\r", ["20%"]),
        (b"bar\r   \r\n", ["bar"]),
        (b"\xff\xfe caf\xc3\xa9\n", ["\\xff\\xfe café"]),
        (b"\x1b[31mred\x1b[0m \x1b]0;title\x07x\x1b]8;;http://u\x1b\\y\x1b(B\n", ["red xy"]),
        (b"a\0b\x08c\td\x7f\n", ["a\\x00b\\x08c\td\\x7f"]),
        (b"\xc2\x9b31m \xc2\x85\n", ["\\x9b31m \\x85"]),
    ],
)
def test_lines_are_what_a_terminal_would_show_in_the_end(data: bytes, lines: list[str]) -> None:
    """Line ends, bars, colours, NUL, bytes that are no text."""
    assert texts(data) == lines


PIECES = st.sampled_from(
    [
        b"a",
        b"\n",
        b"\r",
        b"\r\n",
        b"\x1b[1m",
        "é€😀".encode(),
        b"\xff",
        b"\0",
        b" ",
        b"x" * 5000,
        "€".encode() * 3000,
    ]
)


@given(st.lists(PIECES, max_size=12), st.lists(st.integers(0, 40_000), max_size=5))
def test_how_the_bytes_are_cut_does_not_matter(pieces: list[bytes], places: list[int]) -> None:
    """Whole, in pieces or byte by byte: the same lines."""
    data = b"".join(pieces)
    cuts = [data[a:b] for a, b in pairwise([0, *sorted(places), len(data)])]
    whole = cut(data)
    assert cut(*cuts) == whole
    assert cut(*(bytes([byte]) for byte in data)) == whole


@given(st.binary(max_size=200))
def test_any_bytes_are_survived_and_printable(data: bytes) -> None:
    """No control character but tab gets through."""
    assert all(character >= " " or character == "\t" for text in texts(data) for character in text)


def test_a_line_of_a_megabyte_comes_in_parts() -> None:
    """Each part says that it is one; together they are the line; the next line is whole again."""
    data = bytes(range(97, 123)) * 40_000
    *parts, following = cut(data + b"\nnext\n")
    assert "".join(part.text for part in parts).encode() == data
    assert all(len(part.text) <= MAX_LINE for part in parts)
    assert [part.seq for part in parts] == list(range(len(parts)))
    assert [part.partial for part in parts] == [True] * (len(parts) - 1) + [False]
    assert following == Line("next")


def test_a_character_is_never_cut_apart() -> None:
    """Parts end between characters, also of three and four bytes."""
    for character in "é€😀":
        data = b"x" + character.encode() * MAX_LINE
        assert "".join(texts(data)) == data.decode()


def test_the_longest_whole_line_is_whole() -> None:
    """The limit itself is still inside."""
    assert cut(b"x" * MAX_LINE + b"\n") == [Line("x" * MAX_LINE)]


def test_an_unfinished_line_is_passed_on_when_it_is_idle() -> None:
    """A prompt appears; what follows it is its next part."""
    cutter = LineCutter()
    assert list(cutter.feed(b"name? ", 10.0)) == []
    assert cutter.deadline == pytest.approx(10.0 + IDLE)
    assert list(cutter.due(10.0)) == []
    assert list(cutter.due(10.0 + IDLE)) == [Line("name? ", partial=True, seq=0)]
    assert cutter.deadline is None
    assert list(cutter.feed(b"Ann\nnext\n", 11.0)) == [Line("Ann", seq=1), Line("next")]
    assert cutter.deadline is None


def test_the_end_of_a_line_that_was_passed_on_is_no_line() -> None:
    """Nothing is left to say."""
    cutter = LineCutter()
    list(cutter.feed(b"a", 0.0))
    list(cutter.due(1.0))
    assert list(cutter.feed(b"\nb\n", 1.0)) == [Line("b")]


def test_a_moving_bar_is_waited_for_longer() -> None:
    """It is unfinished for as long as it moves, and says nothing new on the way."""
    cutter = LineCutter()
    assert list(cutter.feed(b"10%\r20%\r", 0.0)) == []
    assert cutter.deadline == pytest.approx(BAR_IDLE)
    assert list(cutter.due(BAR_IDLE)) == [Line("20%", partial=True, seq=0)]
    assert list(cutter.feed(b"100%\r\n", 9.0)) == [Line("100%", seq=1)]


def test_memory_is_bounded_whatever_comes() -> None:
    """No line end, or a bar without end: never more than two lines are held."""
    cutter = LineCutter()
    for data in (b"x" * 100_000, b"y" * 9000 + b"\r", b"z\r" * 50_000):
        list(cutter.feed(data, 0.0))
        assert len(cutter._current) + len(cutter._overwritten) <= 2 * MAX_LINE

"""The control language: total, bounded, and nothing gets past it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxlit.protocol.control import (
    FIELDS,
    MOST_FRAME,
    Command,
    Frames,
    Refused,
    Request,
    encode,
    parse,
    refusal,
)


def test_every_command_has_its_fields() -> None:
    """The table is total."""
    assert set(FIELDS) == set(Command)


@pytest.mark.parametrize("command", list(Command))
def test_each_command_alone_is_a_request(command: Command) -> None:
    """No command needs a field."""
    assert parse(encode({"command": command.value})) == Request(command)


def test_logs_takes_its_fields() -> None:
    """How many lines, and whether to go on."""
    frame = b'{"command":"logs","lines":7,"follow":true}'
    assert parse(frame) == Request(Command.LOGS, 7, follow=True)


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"status",
        b"[]",
        b"null",
        b'"status"',
        b"{}",
        b'{"command":"exec"}',
        b'{"command":["status"]}',
        b'{"command":"status","path":"/etc/passwd"}',
        b'{"command":"stop","lines":1}',
        b'{"command":"logs","lines":-1}',
        b'{"command":"logs","lines":1001}',
        b'{"command":"logs","lines":true}',
        b'{"command":"logs","lines":1.5}',
        b'{"command":"logs","follow":1}',
        b'{"command":"logs","lines":' + b"9" * 5000 + b"}",
        b"[" * 50_000,
        b"\xff\xfe",
    ],
    ids=lambda frame: frame[:40].decode("latin-1"),
)
def test_anything_else_is_refused(frame: bytes) -> None:
    """With a sentence, never another error."""
    with pytest.raises(Refused, match=r"\w"):
        parse(frame)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_refused(frame: bytes) -> None:
    """Garbage is refused."""
    with pytest.raises(Refused):
        parse(frame)


@given(st.lists(st.binary(max_size=20).filter(lambda b: b"\n" not in b)), st.integers(1, 7))
def test_frames_are_cut_alike_however_they_come(frames: list[bytes], step: int) -> None:
    """The pieces of the network do not matter."""
    stream = b"".join(frame + b"\n" for frame in frames)
    cutter, found = Frames(), list[bytes]()
    for at in range(0, len(stream), step):
        cutter.feed(stream[at : at + step])
        while (frame := cutter.next()) is not None:
            found.append(frame)
    assert found == frames


def test_the_longest_frame() -> None:
    """64 KiB with its end, not a byte more, ended or not."""
    exact = Frames()
    exact.feed(b"x" * (MOST_FRAME - 1) + b"\n")
    assert exact.next() == b"x" * (MOST_FRAME - 1)
    for tail in (b"", b"\n"):
        longer = Frames()
        longer.feed(b"x" * MOST_FRAME + tail)
        with pytest.raises(Refused, match="65536"):
            longer.next()


def test_an_answer_is_one_line() -> None:
    """Whatever stands in it."""
    assert encode({"line": "a\nb"}).count(b"\n") == 1
    assert json.loads(refusal("no")) == {"ok": False, "error": "no"}

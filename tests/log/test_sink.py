"""The sink: writes all it can, waits for nobody, counts the rest."""

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fluxlit.log.sink import Sink


def report(count: int) -> bytes:
    """The line that says how many were lost."""
    return b"dropped %d\n" % count


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe; the write end belongs to the sink of the test."""
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)


def drain(fd: int) -> bytes:
    """All bytes until the end of the stream."""
    return b"".join(iter(lambda: os.read(fd, 1 << 20), b""))


def until(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds, at most some seconds."""
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def fill(fd: int) -> None:
    """Fill a pipe, so that every further write blocks."""
    os.set_blocking(fd, False)
    try:
        while True:
            os.write(fd, b"#" * 4096)
    except BlockingIOError:
        os.set_blocking(fd, True)


def test_lines_come_out_in_order(tmp_path: Path) -> None:
    """Urgent and ordinary lines mixed: the order of the calls is the order of the file."""
    path = tmp_path / "log"
    sink = Sink(os.open(path, os.O_WRONLY | os.O_CREAT), report)
    for number in range(5000):
        sink.put(b"%d\n" % number, urgent=number % 3 == 0)
    assert sink.close()
    assert path.read_bytes().split() == [b"%d" % number for number in range(5000)]
    assert sink.dropped == 0


def test_a_stopped_reader_never_blocks_the_caller_and_is_told_what_it_missed(
    pipe: tuple[int, int],
) -> None:
    """Over the limit the oldest ordinary lines go, urgent ones stay; on recovery one line tells the count."""
    reading, writing = pipe
    fill(writing)
    sink = Sink(writing, report, max_lines=10)
    sink.put(b"stuck\n")
    until(lambda: not sink._queued)
    before = time.monotonic()
    for number in range(100):
        sink.put(b"e%d\n" % number if number < 5 else b"o%d\n" % number, urgent=number < 5)
    assert time.monotonic() - before < 0.5
    assert sink.dropped == 90
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(drain(reading)))
    reader.start()
    assert sink.close()
    reader.join()
    lines = received[0].lstrip(b"#").split(b"\n")
    assert lines[0] == b"stuck"
    assert lines[1] == b"dropped 90"
    assert lines[2:7] == [b"e%d" % number for number in range(5)]
    assert lines[7:12] == [b"o%d" % number for number in range(95, 100)]


def test_the_queue_is_bounded_in_bytes_too(pipe: tuple[int, int]) -> None:
    """Long lines count for what they weigh."""
    fill(pipe[1])
    sink = Sink(pipe[1], report, max_bytes=1000)
    for _ in range(100):
        sink.put(b"x" * 99 + b"\n")
    assert sink._bytes <= 1000
    assert not sink.close(timeout=0)


def test_close_gives_up_after_its_time(pipe: tuple[int, int]) -> None:
    """A reader that has stopped for good costs the exit no more than the time given."""
    fill(pipe[1])
    sink = Sink(pipe[1], report)
    sink.put(b"x\n")
    before = time.monotonic()
    assert not sink.close(timeout=0.1)
    assert time.monotonic() - before < 1


def test_output_that_is_not_ready_is_waited_for(pipe: tuple[int, int]) -> None:
    """O_NONBLOCK may be set on the shared open file by anybody: EAGAIN and partial writes lose nothing."""
    reading, writing = pipe
    os.set_blocking(writing, False)
    sink = Sink(writing, report)
    line = b"y" * 999 + b"\n"
    for _ in range(500):
        sink.put(line)
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(drain(reading)))
    reader.start()
    assert sink.close(timeout=5)
    reader.join()
    assert received[0] == line * 500


def test_a_reader_that_left_is_said_once_and_then_all_is_discarded(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """`fluxlit run | head -1`: one sentence on stderr, no exception, everything counted."""
    reading, writing = os.pipe()
    os.close(reading)
    sink = Sink(writing, report)
    for _ in range(50):
        sink.put(b"x\n")
    until(lambda: sink.dropped == 50)
    sink.put(b"x\n")
    assert sink.close()
    assert sink.dropped == 51
    assert capfd.readouterr().err.count("nothing more is logged") == 1


def test_a_full_disk_costs_lines_and_nothing_else() -> None:
    """/dev/full: every line is counted, the thread lives, the end is quick."""
    sink = Sink(os.open("/dev/full", os.O_WRONLY), report)
    for _ in range(20):
        sink.put(b"x\n")
    until(lambda: sink.dropped == 20)
    sink.put(b"x\n")
    assert sink.close()
    assert sink.dropped == 21


def test_after_a_torn_line_the_next_one_starts_on_its_own(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fills in the middle of a line and gets room again: no two lines run together."""
    real, calls = os.write, iter([2, OSError(errno.ENOSPC, "full")])

    def write(fd: int, data: bytes) -> int:
        match next(calls, None):
            case int(size):
                return real(fd, data[:size])
            case OSError() as error:
                raise error
            case _:
                return real(fd, data)

    monkeypatch.setattr("fluxlit.log.sink.os.write", write)
    sink = Sink(pipe[1], report)
    sink.put(b"first\n")
    until(lambda: sink.dropped == 1)
    sink.put(b"second\n")
    assert sink.close()
    assert drain(pipe[0]).split(b"\n") == [b"fi", b"dropped 1", b"second", b""]


def test_a_forked_child_starts_anew(pipe: tuple[int, int]) -> None:
    """It has no thread and none of its parent's lines, and its own lines come out."""
    reading, writing = pipe
    sink = Sink(writing, report)
    sink._wake.acquire()
    sink._ordinary.append((1, b"parent's\n"))
    pid = os.fork()
    if pid == 0:
        sink.after_fork()
        sink.put(b"child's\n")
        os._exit(0 if sink.close() else 1)
    sink._ordinary.clear()
    sink._wake.release()
    assert os.waitpid(pid, 0)[1] == 0
    sink.close()
    assert drain(reading) == b"child's\n"


def test_a_line_put_while_another_is_put_does_not_lock_up(pipe: tuple[int, int]) -> None:
    """Signal handlers and finalizers log in the middle of a call on the same thread."""
    sink = Sink(pipe[1], report)
    with sink._wake:
        sink.put(b"inner\n")
    assert sink.close()
    assert drain(pipe[0]) == b"inner\n"

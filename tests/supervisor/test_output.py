"""A child's output in the log: all of it in ordinary times, bounded and counted in a flood."""

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import anyio
import pytest
from structlog.testing import capture_logs

from fluxlit.supervisor.lines import IDLE
from fluxlit.supervisor.output import (
    MAX_ERRORS,
    MAX_RATE,
    MAX_SIZE,
    Allowance,
    LastWords,
    relay_output,
)
from fluxlit.supervisor.tracebacks import SILENCE

FIELDS = {"instance": "ui-1", "pid": 7}


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe with a non-blocking read end, which relay_output() closes; the test closes the other."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    yield reading, writing
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(reading)


async def relayed(
    pipe: tuple[int, int],
    pieces: Sequence[bytes],
    stream: str = "stderr",
    words: LastWords | None = None,
) -> list[Any]:
    """The events of a stream with these pieces and then its end."""
    reading, writing = pipe
    for piece in pieces:
        os.write(writing, piece)
    os.close(writing)
    with capture_logs() as events:
        await relay_output(reading, stream=stream, fields=FIELDS, last_words=words or LastWords())
    return events


async def test_a_line_is_an_event_with_the_fields_of_its_instance(pipe: tuple[int, int]) -> None:
    """And with its stream."""
    assert await relayed(pipe, [b"hello\n"], "stdout") == [
        {
            "event": "sidecar.output",
            "log_level": "info",
            "message": "hello",
            "stream": "stdout",
            **FIELDS,
        }
    ]


async def test_a_child_cannot_forge_our_fields(pipe: tuple[int, int]) -> None:
    """Its JSON stands below `child`."""
    forged = {"instance": "other", "level": "error", "event": "daemon.stopped", "stream": "x"}
    (event,) = await relayed(pipe, [json.dumps(forged).encode() + b"\n"])
    assert (
        event.items()
        >= {"event": "sidecar.output", "log_level": "error", "stream": "stderr", **FIELDS}.items()
    )
    assert event["child"] == forged


async def test_a_traceback_between_lines_is_one_event(pipe: tuple[int, int]) -> None:
    """In its place."""
    text = b"before\nTraceback (most recent call last):\n  File x\nValueError: why\nafter\n"
    events = await relayed(pipe, [text])
    assert [event["message"] for event in events] == ["before", "ValueError: why", "after"]
    assert (
        events[1].items()
        >= {"event": "sidecar.traceback", "exc_type": "ValueError", "log_level": "error"}.items()
    )


async def test_what_has_no_line_end_is_logged_at_the_end(pipe: tuple[int, int]) -> None:
    """A child that dies in the middle of a line, or of a traceback, is heard."""
    events = await relayed(pipe, [b"Traceback (most recent call last):\n  File x\nValueErr"])
    assert events[0]["exc_type"] == "ValueErr"


async def test_a_prompt_and_a_traceback_come_out_while_the_child_is_silent(
    pipe: tuple[int, int],
) -> None:
    """After their deadlines, though the stream goes on."""
    reading, writing = pipe
    with capture_logs() as events:
        async with anyio.create_task_group() as group:
            group.start_soon(
                lambda: relay_output(reading, stream="stdout", fields={}, last_words=LastWords())
            )
            for piece in (b"name? ", b"\nTraceback (most recent call last):\n  File x\nKeyError\n"):
                os.write(writing, piece)
                known = len(events)
                with anyio.fail_after(5):
                    while len(events) == known:
                        await anyio.sleep(min(IDLE, SILENCE) / 4)
            os.close(writing)
    assert [event["message"] for event in events] == ["name? ", "KeyError"]


async def test_cancelling_closes_the_descriptor_and_logs_the_rest() -> None:
    """A grandchild may hold the pipe for ever; the driver gives up after two seconds."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.write(writing, b"last\nwords")
    with capture_logs() as events:
        async with anyio.create_task_group() as group:
            group.start_soon(
                lambda: relay_output(reading, stream="stdout", fields={}, last_words=LastWords())
            )
            with anyio.fail_after(5):
                while not events:
                    await anyio.sleep(0.001)
            group.cancel_scope.cancel()
    assert [event["message"] for event in events] == ["last", "words"]
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(reading)
    os.close(writing)


async def flooded(writing: int, data: bytes, rounds: int) -> None:
    """Write much more than a second's allowance, as fast as it is read."""
    os.set_blocking(writing, False)
    left = memoryview(data * rounds)
    while left:
        try:
            left = left[os.write(writing, left) :]
        except BlockingIOError:
            await anyio.wait_writable(writing)
    os.close(writing)


async def flood(pipe: tuple[int, int], data: bytes, rounds: int, words: LastWords) -> list[Any]:
    """The events of a flood of ``rounds`` times ``data``."""
    with capture_logs() as events:
        async with anyio.create_task_group() as group:
            group.start_soon(flooded, pipe[1], data, rounds)
            await relay_output(pipe[0], stream="stderr", fields=FIELDS, last_words=words)
    return events


async def test_in_a_flood_every_line_is_logged_or_counted(pipe: tuple[int, int]) -> None:
    """Nothing vanishes without a number: lines and bytes add up."""
    words = LastWords()
    total = 200_000
    events = await flood(pipe, b"a line\n" * 100, total // 100, words)
    reports = [event for event in events if event["event"] == "sidecar.output_dropped"]
    logged = len(events) - len(reports)
    assert logged + sum(report["count"] for report in reports) == total
    assert logged * 7 + sum(report["bytes"] for report in reports) == total * 7
    assert logged >= MAX_RATE
    assert logged <= MAX_RATE * (len(reports) + 1)
    assert reports[0].items() >= {"stream": "stderr", "log_level": "warning", **FIELDS}.items()
    assert words.lines == ("a line",) * LastWords.MAX_LINES


async def test_a_traceback_is_seen_in_a_flood(pipe: tuple[int, int]) -> None:
    """What an operator needs most comes at the end of too much output."""
    trace = b"Traceback (most recent call last):\n  File x\nValueError: needle\n"
    data = b"a line\n" * 50_000 + trace + b"a line\n" * 50_000
    events = await flood(pipe, data, 1, LastWords())
    assert [e["message"] for e in events if e["event"] == "sidecar.traceback"] == [
        "ValueError: needle"
    ]


async def test_a_line_without_end_is_bounded_and_counted(pipe: tuple[int, int]) -> None:
    """20 MB in one line: parts for a megabyte, a number for the rest, then the next line."""
    total = 20 * 1024 * 1024
    events = await flood(pipe, b"x" * total + b"\nnext", 1, LastWords())
    reports = [event for event in events if event["event"] == "sidecar.output_dropped"]
    parts = [
        event
        for event in events
        if event["event"] == "sidecar.output" and "x" in event["message"][:1]
    ]
    assert (
        sum(len(part["message"]) for part in parts) + sum(report["bytes"] for report in reports)
        >= total
    )
    assert sum(len(part["message"]) for part in parts) <= 2 * MAX_SIZE * len(reports)


def test_the_allowance_of_a_second_keeps_some_for_errors() -> None:
    """Ordinary lines cannot use up what errors need, and errors are bounded as well."""
    allowance = Allowance(0.0)
    ordinary = sum(allowance.admits("info", 1) for _ in range(3 * MAX_RATE))
    errors = sum(allowance.admits("error", 1) for _ in range(3 * MAX_ERRORS))
    assert (ordinary, errors) == (MAX_RATE, MAX_ERRORS)


def test_last_words_are_the_last_lines() -> None:
    """By number and by size, also of one text with many lines."""
    words = LastWords()
    words.add("\n".join(str(number) for number in range(1000)))
    assert words.lines == tuple(str(number) for number in range(800, 1000))
    words.add("x" * (LastWords.MAX_CHARACTERS - 10))
    assert sum(map(len, words.lines)) <= LastWords.MAX_CHARACTERS
    assert words.lines[-2:] == ("999", "x" * (LastWords.MAX_CHARACTERS - 10))
    words.add("y" * (LastWords.MAX_CHARACTERS + 1))
    assert words.lines == ()


DAEMON = """
import anyio, os, subprocess, sys, time
from fluxlit import log
from fluxlit.config.settings import Log
from fluxlit.supervisor.output import LastWords, relay_output

def memory():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmRSS")).split()[1])

async def main():
    child = subprocess.Popen(sys.argv[2:], stdout=subprocess.PIPE)
    fd = os.dup(child.stdout.fileno())
    child.stdout.close()
    os.set_blocking(fd, False)
    before, longest = memory(), 0.0
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: relay_output(fd, stream="stdout", fields={}, last_words=LastWords()))
        end = anyio.current_time() + 1
        while (now := anyio.current_time()) < end:
            await anyio.sleep(0.005)
            longest = max(longest, anyio.current_time() - now)
        grown = memory() - before
        group.cancel_scope.cancel()
    child.kill()
    child.wait()
    print(grown, longest, file=sys.stderr)

log.configure(Log(format="json"))
anyio.run(main, backend=sys.argv[1])
log.close()
"""


@pytest.mark.parametrize("command", [["yes"], ["cat", "/dev/zero"]], ids=["lines", "one-line"])
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_flooding_child_neither_grows_the_daemon_nor_stops_its_loop(
    command: list[str], backend: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Measured: below 2 MiB and 20 ms; asserted with room for a busy machine. Nobody reads the log meanwhile."""
    reading, writing = os.pipe()
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(DAEMON), backend, *command],
        stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60, check=True,
    )  # fmt: skip
    os.close(writing)
    os.close(reading)
    grown, longest = done.stderr.split()
    assert int(grown) < 32 * 1024
    assert float(longest) < 1.0

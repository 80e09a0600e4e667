"""The public functions of the log, from the call to the file."""

import io
import os
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
import structlog
from structlog.testing import capture_logs

from fluxlit.config.settings import Log
from fluxlit.log import close, configure, dropped, get_logger, redact_query, set_level
from tests.log.conftest import Written

logger = get_logger("fluxlit.test")
Only = Callable[[], dict[str, Any]]


def test_an_event_has_time_level_logger_name_and_fields(only: Only) -> None:
    """The time is UTC in ISO 8601 with milliseconds."""
    logger.info("service.ready", pid=7, message="It is up")
    line = only()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert line == {
        "level": "info", "logger": "fluxlit.test", "event": "service.ready", "message": "It is up", "pid": 7,
    }  # fmt: skip


def test_the_request_id_comes_from_the_context(only: Only) -> None:
    """What is bound to the context is in every event of it."""
    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        logger.info("a")
    assert only()["request_id"] == "r-1"


def test_secrets_do_not_pass(written: Written) -> None:
    """Keys, headers, URLs, at any depth."""
    logger.info(
        "a",
        headers=[(b"Cookie", b"S3cr3t")],
        deep=[{"x": {"Token": "S3cr3t"}}],
        url="/?token=S3cr3t",
    )
    assert "S3cr3t" not in written.text()


def test_the_level_may_change_while_running(written: Written) -> None:
    """For loggers and bound loggers made before, in both directions."""
    bound = logger.bind(a=1)
    bound.debug("no")
    set_level("debug")
    bound.debug("yes")
    set_level("error")
    logger.warning("no")
    logger.error("yes")
    assert [line["event"] for line in written.lines()] == ["yes", "yes"]


def test_an_unknown_level_is_refused(written: Written) -> None:
    """The present level stays."""
    with pytest.raises(KeyError):
        set_level("loud")
    logger.info("a")
    assert len(written.lines()) == 1


def test_configure_again_changes_format_and_level(written: Written) -> None:
    """Loggers made at import follow."""
    written.configure(level="warning", format="console")
    logger.info("no")
    logger.warning("shown")
    text = written.text()
    assert "shown" in text
    assert not text.startswith("{")
    assert "no" not in text.split()


def test_users_who_configure_structlog_do_not_lose_our_log(written: Written) -> None:
    """Our loggers keep our chain whatever the user's module says."""
    before = structlog.get_config()
    structlog.configure(processors=[structlog.processors.KeyValueRenderer()])
    try:
        logger.info("ours")
    finally:
        structlog.configure(**before)
    assert [line["event"] for line in written.lines()] == ["ours"]


def test_users_of_structlog_get_our_chain_by_default(only: Only) -> None:
    """A logger of structlog itself, with or without a name, writes like ours."""
    structlog.get_logger("users").info("theirs", k=1)
    assert only().items() >= {"logger": "users", "event": "theirs", "k": 1}.items()


def test_capture_logs_sees_events_configured_or_not(written: Written) -> None:
    """What the rest of the suite relies on."""
    with capture_logs() as events:
        logger.info("a", b=1)
    close()
    with capture_logs() as unconfigured:
        logger.info("a", b=1)
    assert events == unconfigured == [{"event": "a", "b": 1, "log_level": "info"}]
    assert written.text() == ""


def test_parameters_from_the_settings_are_redacted(written: Written) -> None:
    """`log.redact` holds for access lines and for texts."""
    written.configure(redact=("ticket",))
    assert redact_query(b"ticket=1&a=2&code=3") == "ticket=***&a=2&code=***"
    close()
    assert redact_query(b"ticket=1&code=3") == "ticket=1&code=***"


def test_a_stream_in_memory_is_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    """A stream without a descriptor does not stop the program."""
    configure(Log(), stream=io.StringIO())
    logger.info("a")
    close()
    assert '"event":"a"' in capfd.readouterr().out


def test_nothing_is_dropped_in_ordinary_times(written: Written) -> None:
    """The counter that metrics show."""
    logger.info("a")
    assert dropped() == 0
    close()
    assert dropped() == 0
    assert written.path.stat().st_size > 0


def run(code: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """A program of its own with a configured log."""
    setup = (
        "import logging, os, sys, warnings; from fluxlit.config.settings import Log; from fluxlit import log\n"
        "log.configure(Log(format='json')); logger = log.get_logger('x')\n"
    )
    return subprocess.run(
        [sys.executable, "-c", setup + code], text=True, timeout=30, check=False, stderr=subprocess.PIPE, **options
    )  # fmt: skip


def test_lines_are_written_at_exit() -> None:
    """A program that just ends loses nothing."""
    done = run("for n in range(3000): logger.info('a')", stdout=subprocess.PIPE)
    assert done.stdout.count("\n") == 3000


def test_a_full_disk_does_not_change_the_exit_status() -> None:
    """Measured: a print to /dev/full makes Python exit with 120."""
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = run("logger.error('a'); sys.exit(69)", stdout=full)
    assert (done.returncode, done.stderr) == (69, "")


def test_without_a_standard_output_no_other_file_is_written(tmp_path: Path) -> None:
    """`>&-`: descriptor 1 then belongs to what is opened first; the log goes nowhere."""
    path = tmp_path / "precious"
    code = (
        "import os, sys\nfrom fluxlit import log\nfrom fluxlit.config.settings import Log\n"
        f"fd = os.open({str(path)!r}, os.O_WRONLY | os.O_CREAT)\nlog.configure(Log())\n"
        "log.get_logger('x').error('a')\nlog.close()\nsys.exit(3 if fd == 1 else 4)"
    )
    command = ["sh", "-c", f"exec {sys.executable} -c {shlex.quote(code)} >&-"]
    assert subprocess.run(command, check=False).returncode == 3
    assert path.read_bytes() == b""


def test_a_reader_that_left_does_not_change_the_exit_status() -> None:
    """`| head -0`: one sentence on stderr."""
    reading, writing = os.pipe()
    os.close(reading)
    done = run("logger.error('a'); logger.error('b'); sys.exit(5)", stdout=writing)
    os.close(writing)
    assert done.returncode == 5
    assert done.stderr.count("nothing more is logged") == 1


def test_a_stopped_reader_does_not_hold_up_the_exit() -> None:
    """The last flush takes a second at most, though a megabyte is queued and nobody reads."""
    reading, writing = os.pipe()
    code = (
        "import time\nfor n in range(5000): logger.info('a', text='x' * 200)\n"
        "before = time.monotonic(); log.close(); sys.exit(0 if time.monotonic() - before < 1.5 else 9)"
    )
    assert run(code, stdout=writing).returncode == 0
    os.close(writing)
    os.close(reading)


def test_a_forked_child_can_log() -> None:
    """Users fork, with multiprocessing for one."""
    code = (
        "logger.info('parent'); pid = os.fork()\n"
        "if pid == 0: logger.info('child'); log.close(); os._exit(0)\nos.waitpid(pid, 0)"
    )
    done = run(code, stdout=subprocess.PIPE)
    assert done.stdout.count('"parent"') >= 1
    assert done.stdout.count('"event":"child"') == 1


def test_warnings_are_lines_too() -> None:
    """Python's own go to stderr otherwise, unparsed."""
    done = run("warnings.warn('look out')", stdout=subprocess.PIPE)
    assert done.stderr == ""
    assert '"logger":"py.warnings"' in done.stdout


async def test_a_stopped_reader_never_stops_the_event_loop() -> None:
    """Measured: a loop that prints stands still after 64 KiB that nobody reads."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        configure(Log(format="json"), stream=stream)
        beats = [anyio.current_time()]
        for _ in range(200):
            logger.info("a", text="x" * 2000)
            await anyio.lowlevel.checkpoint()
            beats.append(anyio.current_time())
        reader = threading.Thread(target=lambda: list(iter(lambda: os.read(reading, 1 << 20), b"")))
        reader.start()
        close()
    reader.join()
    os.close(reading)
    assert max(later - earlier for earlier, later in pairwise(beats)) < 0.5

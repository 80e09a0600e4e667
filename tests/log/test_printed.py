"""Prints of the API become events, each line one."""

import io
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from fluxlit.config.settings import Log
from fluxlit.log.printed import MAX_LINE, Printed, printing


def test_each_line_is_an_event() -> None:
    """Also when it comes in pieces, as print writes it; blank lines say nothing."""
    with capture_logs() as events, printing(Log(format="json")):
        print("one", 2, end="")
        assert not events
        print("\n\nthree\r\nfo", end="")
        sys.stdout.write("ur\n")
    assert [(e["event"], e["message"]) for e in events] == [
        ("api.output", "one 2"),
        ("api.output", "three"),
        ("api.output", "four"),
    ]


def test_a_line_without_an_end_is_bounded() -> None:
    """A progress bar that never ends its line must not fill the memory."""
    with capture_logs() as events:
        Printed(io.StringIO()).write("x" * (MAX_LINE + 1))
    assert len(events) == 1


def test_a_console_is_left_alone() -> None:
    """There a print is read by a person, and a debugger needs the real stream."""
    before = sys.stdout
    with printing(Log(format="console")):
        assert sys.stdout is before


def test_the_descriptor_is_the_real_one(tmp_path: Path) -> None:
    """subprocess and faulthandler write bytes to it."""
    with (tmp_path / "out").open("w", encoding="utf-8") as real:
        printed = Printed(real)
        assert printed.fileno() == real.fileno()
        assert printed.encoding == "utf-8"
        assert printed.writable()
        assert not printed.isatty()


@pytest.mark.parametrize("form", ["json", "auto"])
def test_the_stream_comes_back(form: str) -> None:
    """Whoever tells the last error writes to the real one."""
    before = sys.stdout
    with printing(Log(format=form)):
        assert sys.stdout is not before
    assert sys.stdout is before

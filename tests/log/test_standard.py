"""Records of the standard library's logging."""

import logging
from typing import Any

import pytest

from fluxlit.log import set_level
from fluxlit.log.standard import QUIET, ChainHandler
from tests.log.conftest import Written


def test_a_record_is_an_event_with_its_text_as_message(written: Written) -> None:
    """Logger, level, arguments and extra fields are kept."""
    logging.getLogger("users.app").warning("took %d ms", 7, extra={"route": "/x"})
    (line,) = written.lines()
    line.pop("time")
    assert line == {
        "level": "warning", "logger": "users.app", "event": "log", "message": "took 7 ms", "route": "/x",
    }  # fmt: skip


def test_the_exception_of_a_record_is_text(written: Written) -> None:
    """As with our own events."""
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        logging.getLogger("a").exception("oops")
    assert written.lines()[0]["exception"].endswith("ZeroDivisionError: division by zero")


def emitted(message: object, *args: object) -> dict[str, Any]:
    """The event of one record, given to the handler itself: pytest's own handler raises."""
    events: list[dict[str, Any]] = []
    handler = ChainHandler(lambda _logger, _method, event: events.append(dict(event)))
    handler.emit(logging.LogRecord("a", logging.ERROR, "a.py", 1, message, args, None))
    return events[0]


def test_a_record_whose_arguments_do_not_fit_is_kept() -> None:
    """The standard library prints a traceback to stderr instead."""
    assert emitted("%d items", "many")["message"] == "%d items ('many',)"


def test_a_record_that_cannot_be_printed_is_an_event_all_the_same() -> None:
    """Whatever the objects do."""

    class Bad:
        def __str__(self) -> str:
            raise RuntimeError

        __repr__ = __str__

    assert "cannot be formatted" in emitted(Bad())["message"]


@pytest.mark.parametrize(
    ("number", "name"),
    [(10, "debug"), (15, "debug"), (25, "info"), (35, "warning"), (99, "critical")],
)
def test_levels_in_between_count_as_the_one_below(written: Written, number: int, name: str) -> None:
    """Libraries invent levels: NOTICE 25, SUCCESS 25, TRACE 5."""
    set_level("debug")
    logging.getLogger("a").log(number, "x")
    assert written.lines()[0]["level"] == name


def test_the_root_level_follows(written: Written) -> None:
    """A record below the level is not even made."""
    assert not logging.getLogger("a").isEnabledFor(logging.DEBUG)
    set_level("debug")
    assert logging.getLogger("a").isEnabledFor(logging.DEBUG)


@pytest.mark.parametrize("name", QUIET)
def test_loggers_of_every_request_are_quiet(written: Written, name: str) -> None:
    """There is one access log; theirs would show query secrets and cookies in full."""
    set_level("debug")
    logging.getLogger(name).info("GET /?state=1")
    assert written.lines() == []


def test_secrets_of_others_are_hidden(written: Written) -> None:
    """In the text and in extra fields."""
    logging.getLogger("a").warning("GET /cb?code=S3cr3t", extra={"cookie": "S3cr3t"})
    text = written.text()
    assert "GET /cb?code=***" in text
    assert "S3cr3t" not in text


def test_closing_gives_logging_back(written: Written, capfd: pytest.CaptureFixture[str]) -> None:
    """Afterwards no handler of ours is left."""
    former = logging.getLogger().handlers[:]
    written.text()
    left = logging.getLogger().handlers
    assert len(left) == len(former) - 1

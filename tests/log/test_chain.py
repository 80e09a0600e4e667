"""The steps that every event takes."""

import logging
import sys
from typing import Any

import pytest
import structlog

from fluxlit.log.chain import LEVELS, Threshold, add_origin, fold_exception, level_name


class BrokenError(Exception):
    """An exception that fails when it is shown."""

    def __str__(self) -> str:
        raise RuntimeError


def folded(**event: Any) -> dict[str, Any]:
    """The event after its exception was folded."""
    return dict(fold_exception(None, "error", dict(event)))


@pytest.mark.parametrize("least", LEVELS)
@pytest.mark.parametrize("given", LEVELS)
def test_the_threshold_passes_its_level_and_above(least: str, given: str) -> None:
    """All pairs of levels."""
    threshold = Threshold(least)
    if LEVELS[given] >= LEVELS[least]:
        assert threshold(None, given, {"a": 1}) == {"a": 1}
    else:
        with pytest.raises(structlog.DropEvent):
            threshold(None, given, {})


def test_every_method_of_a_logger_has_a_level() -> None:
    """Those that are no level's name stand for one."""
    names = ["warn", "exception", "fatal", "msg", "critical", "unheard-of"]
    assert [level_name(n) for n in names] == [
        "warning",
        "error",
        "critical",
        "info",
        "critical",
        "info",
    ]


def test_the_origin_is_added() -> None:
    """The logger's name, or root."""
    assert add_origin(logging.getLogger("a.b"), "info", {})["logger"] == "a.b"
    assert add_origin(None, "info", {})["logger"] == "root"
    assert add_origin(None, "info", {"logger": "given"})["logger"] == "given"


def test_an_exception_becomes_text_with_its_cause() -> None:
    """All forms of exc_info: True, the exception, the triple."""
    texts: set[str] = set()
    try:
        try:
            _ = 1 / 0
        except ZeroDivisionError as error:
            msg = "outer"
            raise ValueError(msg) from error
    except ValueError as error:
        texts = {folded(exc_info=form)["exception"] for form in (True, error, sys.exc_info())}
    (text,) = texts
    assert "ZeroDivisionError" in text
    assert text.endswith("ValueError: outer")


@pytest.mark.parametrize("nothing", [None, False, True, (None, None, None), ()])
def test_no_exception_is_no_field(nothing: object) -> None:
    """Outside of a handler, True means nothing."""
    assert folded(exc_info=nothing) == {}


def test_an_exception_that_cannot_be_shown_is_named() -> None:
    """The event survives the exception it tells of."""
    assert "BrokenError" in folded(exc_info=BrokenError())["exception"]

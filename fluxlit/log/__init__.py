"""The log: one list of pure functions, one line an event, never in the way of the event loop.

``log = get_logger("fluxlit.gateway")``, then ``log.info("service.ready", pid=7)``: the first argument
is a stable dotted name, ``message=`` may add a sentence. A request's id is bound through
``structlog.contextvars``. Until configure() structlog's own defaults apply, so that importing
FluxLit into somebody else's program changes nothing there.
"""

import atexit
import logging
import os
import sys
from collections.abc import Callable
from typing import Any, TextIO, TypeAlias, cast

import structlog

from fluxlit.config.settings import Log
from fluxlit.log import standard
from fluxlit.log.chain import Event
from fluxlit.log.outlet import Outlet
from fluxlit.log.redaction import Redaction, redact_path
from fluxlit.log.tail import Tail

__all__ = [
    "Logger",
    "close",
    "configure",
    "dropped",
    "get_logger",
    "redact_path",
    "redact_query",
    "set_level",
    "tail",
]

Logger: TypeAlias = structlog.typing.FilteringBoundLogger

# The very list that is structlog's at import: our loggers keep it whatever users configure later,
# and structlog.testing.capture_logs, which changes it in place, sees their events.
_chain: list[Any] = structlog.get_config()["processors"]
_former = list(_chain)
_wrapper = structlog.make_filtering_bound_logger(logging.NOTSET)
_outlet: Outlet | None = None
_uninstall: Callable[[], None] | None = None


def get_logger(name: str) -> Logger:
    """A logger of this name; made at import time it follows every later configure()."""
    return cast("Logger", structlog.wrap_logger(logging.getLogger(name), _chain, _wrapper))


def configure(settings: Log, *, stream: TextIO | None = None) -> None:
    """Write to ``stream`` from now on (standard output if not given), logging and warnings as well.

    May be called again; what was queued before is written first. Without a terminal, each line is
    one JSON object.
    """
    global _outlet, _uninstall  # noqa: PLW0603 - a process has one log, as it has one standard output
    close()
    _outlet = Outlet(settings, stream or sys.stdout)
    _chain[:] = _outlet.chain
    structlog.configure(
        processors=_chain, wrapper_class=_wrapper, logger_factory=structlog.stdlib.LoggerFactory()
    )
    _uninstall = standard.install(_accept, settings.level)


def _accept(logger: Any, method: str, event: Event) -> None:  # noqa: ANN401
    """The way of the standard library's records through the chain."""
    try:
        for step in _chain:
            event = step(logger, method, event)
    except structlog.DropEvent:
        return


def set_level(level: str) -> None:
    """Change the least level that is written, at once and for all loggers; KeyError if unknown."""
    if _outlet is not None:
        _outlet.set_level(level)


def dropped() -> int:
    """How many lines were never written since configure()."""
    return _outlet.sink.dropped if _outlet is not None else 0


def tail() -> Tail:
    """The last lines that were written since configure()."""
    return _outlet.tail if _outlet is not None else Tail()


def redact_query(query: bytes | str) -> str:
    """The query string for a log line: secret parameters hidden, those of ``log.redact`` included."""
    return (_outlet.redaction if _outlet is not None else _DEFAULT).query(query)


_DEFAULT = Redaction()


def close() -> None:
    """Write what is queued, for at most a second, and give the standard library's logging back."""
    global _outlet, _uninstall  # noqa: PLW0603
    if _uninstall is not None:
        _uninstall()
        _uninstall = None
    if _outlet is not None:
        _chain[:] = _former
        _outlet.sink.close()
        _outlet = None


def _after_fork() -> None:
    if _outlet is not None:
        _outlet.sink.after_fork()


atexit.register(close)
os.register_at_fork(after_in_child=_after_fork)

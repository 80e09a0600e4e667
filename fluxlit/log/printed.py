"""What the API prints, as events: raw lines between JSON objects break whoever reads the log."""

import io
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager, redirect_stdout
from typing import TextIO

from fluxlit.config.settings import Log
from fluxlit.log import get_logger

MAX_LINE = 16 * 1024
"""Characters after which a line without an end is logged as it is."""

log = get_logger("fluxlit.api")


class Printed(io.TextIOBase):
    """A text stream whose lines become ``api.output`` events; ``real`` is what it stands for.

    A line begun by one thread is not mixed with another's. Never blocks on a reader.
    """

    def __init__(self, real: TextIO) -> None:
        super().__init__()
        self._real = real
        self._begun = threading.local()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream it stands for."""
        return self._real.encoding

    def fileno(self) -> int:
        """The real descriptor, for children and for whoever writes bytes."""
        return self._real.fileno()

    def isatty(self) -> bool:
        """As the stream it stands for."""
        return self._real.isatty()

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, text: str) -> int:
        """Log every line that is complete; the rest waits for its end."""
        *lines, rest = (getattr(self._begun, "text", "") + text).split("\n")
        if len(rest) > MAX_LINE:
            lines, rest = [*lines, rest], ""
        self._begun.text = rest
        for line in filter(str.strip, lines):
            log.info("api.output", message=line.rstrip("\r"))
        return len(text)


@contextmanager
def printing(settings: Log) -> Generator[None]:
    """Log what is printed in this block; where the log is for a person to read, leave it alone."""
    # None when the process was started with `>&-`, whatever the type says.
    real: TextIO | None = sys.stdout
    if real is None or settings.format == "console":
        yield
        return
    if settings.format == "auto" and real.isatty():
        yield
        return
    with redirect_stdout(Printed(real)):
        yield

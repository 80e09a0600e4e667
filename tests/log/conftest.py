"""The log as configured, written to a file that the test reads."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

import pytest

from fluxlit import log
from fluxlit.config.settings import Log


@dataclass
class Written:
    """The log under test; ``lines`` closes it and reads what it wrote."""

    path: Path
    stream: TextIO

    def configure(self, **settings: Any) -> None:
        """Configure with these settings, as JSON unless said."""
        log.configure(replace(Log(format="json"), **settings), stream=self.stream)

    def text(self) -> str:
        """All that was written."""
        log.close()
        return self.path.read_text()

    def lines(self) -> list[dict[str, Any]]:
        """All that was written, as objects."""
        return [json.loads(line) for line in self.text().splitlines()]


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Written]:
    """A configured log of level info."""
    path = tmp_path / "log"
    with path.open("w") as stream:
        subject = Written(path, stream)
        subject.configure()
        yield subject
        log.close()


@pytest.fixture
def only(written: Written) -> Callable[[], dict[str, Any]]:
    """The one line that was written."""

    def read() -> dict[str, Any]:
        (line,) = written.lines()
        return line

    return read

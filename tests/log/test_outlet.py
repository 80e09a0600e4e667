"""From the chain to the descriptor."""

import io
import json
import os
import pty
from collections.abc import Mapping
from typing import Any

import pytest
import structlog

from fluxlit.config.settings import Log
from fluxlit.log.outlet import Outlet, renderer
from fluxlit.log.redaction import Redaction
from fluxlit.log.render import ConsoleLines


def test_auto_is_console_on_a_terminal_and_json_elsewhere() -> None:
    """Told by the stream itself."""
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "w"), os.fdopen(theirs, "w") as terminal:
        assert isinstance(renderer("auto", terminal, Redaction()), ConsoleLines)
        assert not isinstance(renderer("json", terminal, Redaction()), ConsoleLines)
    assert not isinstance(renderer("auto", io.StringIO(), Redaction()), ConsoleLines)
    assert not isinstance(renderer("auto", None, Redaction()), ConsoleLines)


@pytest.mark.parametrize(("no_color", "colored"), [("", True), ("1", False)])
def test_colours_only_on_a_terminal_that_wants_them(
    monkeypatch: pytest.MonkeyPatch, no_color: str, colored: bool
) -> None:
    """https://no-color.org; a console format in a file has none either."""
    monkeypatch.setenv("NO_COLOR", no_color)
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "w"), os.fdopen(theirs, "w") as terminal:
        shown = renderer("console", terminal, Redaction())({"event": "a", "level": "info"})
    assert ("\x1b[" in shown) is colored
    assert "\x1b[" not in renderer("console", io.StringIO(), Redaction())({"event": "a"})


def test_a_renderer_that_fails_costs_no_more_than_its_text() -> None:
    """A log call never raises into the code that made it."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        outlet = Outlet(Log(format="json"), stream)

    def fail(event: Mapping[str, Any]) -> str:
        raise LookupError

    outlet._render = fail
    with pytest.raises(structlog.DropEvent):
        outlet.deliver(None, "info", {"event": "a", "level": "info"})
    outlet.sink.close()
    line = json.loads(os.read(reading, 1000))
    os.close(reading)
    assert line["event"] == "log.unrenderable"
    assert line["message"] == "LookupError"

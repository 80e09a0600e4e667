"""What a child's line means as a log event: its name, level and fields; pure.

The level is a guess from the first words, as nothing else is known of a foreign program's output.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, assert_never, cast

from fluxlit.supervisor.lines import Line
from fluxlit.supervisor.tracebacks import Event, Traceback

Level: TypeAlias = Literal["debug", "info", "warning", "error", "critical"]

_TIME = r"(?:\[?\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d[.,\d]*(?:Z|[+-]\d\d:?\d\d)?\]?\s+)?"
_WORD = re.compile(
    rf"{_TIME}[\[(<]?(?P<word>DEBUG|INFO|WARN(?:ING)?|ERROR|CRITICAL|FATAL)(?![\w-])", re.IGNORECASE
)
_WORDS: Mapping[str, Level] = {
    "trace": "debug",
    "debug": "debug",
    "info": "info",
    "notice": "info",
    "warn": "warning",
    "warning": "warning",
    "error": "error",
    "err": "error",
    "critical": "critical",
    "fatal": "critical",
}
_ERRORS = re.compile(
    rf"{_TIME}(?:Traceback \(most recent call last\)|Exception in thread |Exception ignored in"
    r"|Uncaught app exec|Task exception was never retrieved|Fatal Python error)"
)
# The form of warnings.formatwarning.
_WARNING = re.compile(r"\S+:\d+: \w*Warning: ")
# Streamlit's banner; its addresses are those of the loopback port, which nobody may visit.
_CHATTER = re.compile(
    rf"{_TIME}\s*(?:Uvicorn server started on|(?:Local |Network |External |Server )?URL: "
    r"|You can now view your Streamlit app|Collecting usage statistics|Stopping\.\.\.)"
)


@dataclass(frozen=True, slots=True)
class ChildEvent:
    """One event for the log; ``line`` is the text for the last words."""

    name: str
    level: Level
    line: str
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])


def interpret(event: Event, stream: str) -> ChildEvent:
    """The log event for a line or a traceback that came on ``stream`` (stdout, stderr)."""
    match event:
        case Traceback():
            return _of_traceback(event)
        case Line():
            child = _object(event)
            return _of_object(event, child) if child is not None else _of_text(event, stream)
        case _:
            assert_never(event)


def _of_traceback(event: Traceback) -> ChildEvent:
    summary = f"{event.exc_type or 'Traceback'}: {event.exc_message}".removesuffix(": ")
    fields: dict[str, Any] = {
        "message": summary,
        "exc_type": event.exc_type,
        "exc_message": event.exc_message,
        "stacktrace": event.stacktrace,
    }
    if event.partial:
        fields["partial"] = True
    return ChildEvent("sidecar.traceback", "error", event.stacktrace, fields)


def _of_text(line: Line, stream: str) -> ChildEvent:
    level = "info" if line.seq else guess_level(line.text, stream)
    fields: dict[str, Any] = {"message": line.text}
    if line.seq is not None:
        fields |= {"partial": line.partial, "seq": line.seq}
    return ChildEvent("sidecar.output", level, line.text, fields)


def guess_level(text: str, stream: str) -> Level:
    """By the first words, after a time if there is one; stdout speaks of levels by accident only."""
    if not text or _CHATTER.match(text):
        return "debug"
    if stream != "stderr":
        return "info"
    if _ERRORS.match(text):
        return "error"
    word = _WORD.match(text)
    if word:
        return _WORDS[word["word"].lower()]
    return "warning" if _WARNING.match(text) else "info"


def _object(line: Line) -> dict[str, object] | None:
    """The JSON object that the line is, if it is one."""
    if line.seq is not None or not (line.text.startswith("{") and line.text.rstrip().endswith("}")):
        return None
    try:
        found: object = json.loads(line.text)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, object]", found) if isinstance(found, dict) else None


def _of_object(line: Line, child: dict[str, object]) -> ChildEvent:
    fields: dict[str, Any] = {"child": child}
    message = next((child[key] for key in ("message", "msg", "event") if key in child), None)
    if isinstance(message, str):
        fields["message"] = message
    return ChildEvent("sidecar.output", _level_of(child), line.text, fields)


def _level_of(child: Mapping[str, object]) -> Level:
    given = next((child[key] for key in ("level", "severity", "levelname") if key in child), None)
    return _WORDS.get(given.lower(), "info") if isinstance(given, str) else "info"

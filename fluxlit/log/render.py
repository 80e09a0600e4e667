"""The last pure step: an event as one line of JSON, or as a line for a person at a terminal."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from fluxlit.log.plain import Plain, Plainer, shorten

MAX_LINE = 64 * 1024
"""Bytes of one JSON line with its newline; Docker's and the kubelet's readers split far above 16 KiB."""
LONGEST_TEXTS = (16_384, 4_096, 1_024, 128)
"""Characters of one text, tried in turn until the line fits MAX_LINE."""
FIRST_KEYS = ("time", "level", "logger", "event", "message")

Renderer = Callable[[Mapping[str, object]], str]

# json escapes what is below U+0020; these three end a line too for str.splitlines and JavaScript.
_LINE_ENDS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}
# What a terminal would act on: C0 without tab, DEL and C1.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code != 9}
_CONTROLS_IN_BLOCKS = {code: text for code, text in _CONTROLS.items() if code != 10}


def json_line(event: Mapping[str, object], scrub: Callable[[str], str]) -> str:
    """One JSON object without a raw line end and of at most MAX_LINE bytes with the one that follows."""
    for longest in LONGEST_TEXTS:
        line = _dump(_ordered(Plainer(scrub, longest).mapping(event)))
        if 4 * len(line) < MAX_LINE or len(encoded(line)) < MAX_LINE:
            return line
    return _dump(_essence(event, scrub))


def encoded(line: str) -> bytes:
    """The line as UTF-8; a lone surrogate becomes its JSON escape."""
    return line.encode("utf-8", "backslashreplace")


def _ordered(plain: dict[str, Plain]) -> dict[str, Plain]:
    # "message" is what Railway, Datadog and Google Cloud show; without a sentence it is the name.
    plain.setdefault("message", plain.get("event"))
    first = {key: plain.pop(key) for key in FIRST_KEYS if key in plain}
    return first | plain


def _essence(event: Mapping[str, object], scrub: Callable[[str], str]) -> dict[str, Plain]:
    kept = {key: event[key] for key in FIRST_KEYS if key in event}
    plain = Plainer(lambda text: shorten(scrub(text), 128), 128).mapping(kept)
    return {**_ordered(plain), "truncated": True}


def _dump(plain: Mapping[str, Plain]) -> str:
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":")).translate(_LINE_ENDS)


class ConsoleLines:
    """Lines for a person: time of day, level, event, then the rest; tracebacks below as they are."""

    def __init__(self, scrub: Callable[[str], str], *, colors: bool) -> None:
        self._scrub = scrub
        self._render = structlog.dev.ConsoleRenderer(
            colors=colors,
            timestamp_key="time",
            exception_formatter=structlog.dev.plain_traceback,
            pad_event_to=30,
        )

    def __call__(self, event: Mapping[str, object]) -> str:
        """The line or lines, without the last newline; nothing in them can steer the terminal."""
        plain: dict[str, Any] = dict(Plainer(self._scrub, LONGEST_TEXTS[0]).mapping(event))
        blocks = [plain.pop(key) for key in ("stack", "exception", "stacktrace") if key in plain]
        plain["time"] = str(plain.get("time", ""))[11:23]
        plain["event"] = _headline(plain)
        calm = {
            key: value.translate(_CONTROLS) if isinstance(value, str) else value
            for key, value in plain.items()
        }
        text = self._render(None, str(plain.get("level", "info")), calm)
        return "\n".join(
            [str(text), *(str(block).translate(_CONTROLS_IN_BLOCKS) for block in blocks)]
        )


def _headline(plain: dict[str, Any]) -> str:
    """The sentence; the stable name stands before it unless it says nothing (records of logging)."""
    event, message = str(plain.get("event", "")), plain.pop("message", None)
    if message is None:
        return event
    return str(message) if event == "log" else f"{event}: {message}"

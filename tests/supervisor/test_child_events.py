"""What a child's lines mean."""

import json

import pytest

from fluxlit.supervisor.child_events import guess_level, interpret
from fluxlit.supervisor.lines import Line
from fluxlit.supervisor.tracebacks import Traceback


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("ERROR something", "error"),
        ("2026-01-02 03:04:05.678 ERROR: something", "error"),
        ("[2026-01-02T03:04:05Z] [WARNING] something", "warning"),
        ("2026-01-02 03:04:05,678 warn something", "warning"),
        ("CRITICAL x", "critical"),
        ("FATAL: x", "critical"),
        ("INFO:     Started server process", "info"),
        ("DEBUG:x", "debug"),
        ("/a/b.py:3: DeprecationWarning: old", "warning"),
        ("2026-01-02 03:04:05.678 Uncaught app execution", "error"),
        ("Exception in thread Thread-1 (f):", "error"),
        ("Fatal Python error: Segmentation fault", "error"),
        ("  ERROR indented", "info"),
        ("Errors: 0", "info"),
        ("error-free", "info"),
        ("information", "info"),
        ("plain", "info"),
        ("", "debug"),
        ("2026-01-02 03:04:05.678 Uvicorn server started on 127.0.0.1:40000", "debug"),
        ("  You can now view your Streamlit app in your browser.", "debug"),
        ("  URL: http://127.0.0.1:40000", "debug"),
        ("  Local URL: http://localhost:8501", "debug"),
        ("  Network URL: http://10.0.0.1:8501", "debug"),
    ],
)
def test_the_level_is_guessed_from_the_first_words(text: str, level: str) -> None:
    """After a time, in brackets, in any case; Streamlit's banner and inner address are chatter."""
    assert guess_level(text, "stderr") == level


def test_stdout_speaks_of_levels_by_accident_only() -> None:
    """A print is information."""
    assert guess_level("ERROR 404 is a page", "stdout") == "info"
    assert guess_level("  URL: http://127.0.0.1:40000", "stdout") == "debug"


def test_a_line_is_a_message() -> None:
    """Whole lines carry nothing else; parts their number."""
    whole = interpret(Line("hello"), "stdout")
    part = interpret(Line("hel", partial=True, seq=0), "stdout")
    assert (whole.name, whole.level, whole.fields) == (
        "sidecar.output",
        "info",
        {"message": "hello"},
    )
    assert part.fields == {"message": "hel", "partial": True, "seq": 0}


def test_a_json_object_stands_below_child_only() -> None:
    """It may not take the place of our own fields; its level and message are used."""
    line = {"severity": "ERROR", "message": "broke", "instance": "fake", "n": [1]}
    event = interpret(Line(json.dumps(line)), "stdout")
    assert event.level == "error"
    assert event.fields == {"child": line, "message": "broke"}


@pytest.mark.parametrize(
    "text", ["{", "{}x", "{'a': 1}", "[1]", '"a"', "{" * 4000 + "}" * 4000, "{nope}"]
)
def test_what_is_no_json_object_is_text(text: str) -> None:
    """It passes as it is."""
    assert interpret(Line(text), "stdout").fields == {"message": text}


def test_json_that_is_too_deep_is_survived() -> None:
    """As text or as an object, as the parser can."""
    text = '{"a":' * 1300 + "1" + "}" * 1300
    assert interpret(Line(text), "stdout").level == "info"


def test_levels_of_json_that_are_no_words_are_information() -> None:
    """Numbers of pino and others."""
    assert interpret(Line('{"level": 50, "msg": "x"}'), "stderr").level == "info"


def test_a_traceback_is_an_error_with_its_parts() -> None:
    """One event, with a sentence for those who read only that."""
    event = interpret(Traceback("ValueError", "why", "Traceback …\nValueError: why"), "stdout")
    assert (event.name, event.level) == ("sidecar.traceback", "error")
    assert event.fields == {
        "message": "ValueError: why", "exc_type": "ValueError", "exc_message": "why",
        "stacktrace": "Traceback …\nValueError: why",
    }  # fmt: skip
    assert interpret(Traceback(None, "", "x", partial=True), "stderr").fields["partial"] is True

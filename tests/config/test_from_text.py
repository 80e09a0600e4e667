"""Values from the environment and the command line."""

from typing import Any

import pytest

from fluxlit.config.invalid import InvalidValue
from fluxlit.config.kinds import read_text
from fluxlit.config.settings import About, Kind


def about(kind: Kind, **more: Any) -> About:
    """An About of ``kind`` alone."""
    return About(kind, "", **more)


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (Kind.TEXT, " as it is ", " as it is "),
        (Kind.FLAG, "1", True),
        (Kind.FLAG, "TRUE", True),
        (Kind.FLAG, "yes", True),
        (Kind.FLAG, " on ", True),
        (Kind.FLAG, "0", False),
        (Kind.FLAG, "False", False),
        (Kind.FLAG, "no", False),
        (Kind.FLAG, "off", False),
        (Kind.COUNT, "12", 12),
        (Kind.SECONDS, "500ms", 0.5),
        (Kind.BYTES, "1KiB", 1024),
        (Kind.PORT, "0", 0),
        (Kind.PORT, "65535", 65535),
        (Kind.TEXTS, "", ()),
        (Kind.TEXTS, "a, b ,,c", ("a", "b", "c")),
        (Kind.TEXTS, '["a,b", ""]', ("a,b", "")),
        (Kind.NETWORKS, "10.0.0.0/8,127.0.0.1", ("10.0.0.0/8", "127.0.0.1")),
        (Kind.NETWORKS, '["*"]', ("*",)),
        (Kind.ORIGINS, "https://a.example,http://b:1", ("https://a.example", "http://b:1")),
        (Kind.PREFIX, "x/", "/x"),
        (Kind.URL, "https://a/", "https://a"),
        (Kind.TOTAL, "auto", None),
        (Kind.TOTAL, "2m", 120.0),
        (Kind.NUMBER, " Auto", None),
        (Kind.NUMBER, "3", 3),
        (Kind.TABLE, '{"a": 1}', {"a": 1}),
    ],
)
def test_valid(kind: Kind, text: str, expected: object) -> None:
    """Each kind reads the spellings people use."""
    assert read_text(text, about(kind)) == expected


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (Kind.TEXT, "a\nb", "control characters"),
        (Kind.FLAG, "maybe", "true or false"),
        (Kind.FLAG, "", "true or false"),
        (Kind.COUNT, "1.5", "whole number"),
        (Kind.COUNT, "1_000", "whole number"),
        (Kind.COUNT, "9" * 5000, "whole number"),
        (Kind.COUNT, "-1", "at least 0"),
        (Kind.SECONDS, "", "seconds"),
        (Kind.SECONDS, "-1", "at least 0"),
        (Kind.SECONDS, "nan", "seconds"),
        (Kind.BYTES, "much", "bytes"),
        (Kind.BYTES, "-1MB", "at least 0"),
        (Kind.PORT, "abc", "port from 0 to 65535"),
        (Kind.PORT, "65536", "port from 0 to 65535"),
        (Kind.PORT, "-1", "port from 0 to 65535"),
        (Kind.TEXTS, "[1]", "list of strings"),
        (Kind.TEXTS, "[", "JSON list"),
        (Kind.NETWORKS, "10.0.0.1,x", "IP address"),
        (Kind.ORIGINS, "*", "origin"),
        (Kind.PREFIX, "/a b", "path"),
        (Kind.URL, "a", "address"),
        (Kind.TOTAL, "soon", "auto, or seconds"),
        (Kind.NUMBER, "many", "auto, or a whole number"),
        (Kind.TABLE, "[]", "table"),
        (Kind.TABLE, "{", "JSON object"),
    ],
)
def test_invalid(kind: Kind, text: str, expected: str) -> None:
    """Each refusal says what was expected."""
    with pytest.raises(InvalidValue, match=expected):
        read_text(text, about(kind))


def test_bounds() -> None:
    """Both bounds belong to the range."""
    bounded = about(Kind.SECONDS, least=1, most=2)
    assert [read_text("1", bounded), read_text("2", bounded)] == [1, 2]
    with pytest.raises(InvalidValue, match="at least 1"):
        read_text("0.9", bounded)
    with pytest.raises(InvalidValue, match="at most 2"):
        read_text("2100ms", bounded)


def test_choices() -> None:
    """A choice is read in any case; a near miss is answered with the word that was meant."""
    level = about(Kind.CHOICE, choices=("debug", "warning"))
    assert read_text("DEBUG", level) == "debug"
    with pytest.raises(InvalidValue, match="one of debug, warning") as caught:
        read_text("warn", level)
    assert caught.value.hint == "did you mean warning?"


def test_a_wrong_item_is_named() -> None:
    """In a list the message names the item that is wrong."""
    with pytest.raises(InvalidValue) as caught:
        read_text("10.0.0.1,localhost", about(Kind.NETWORKS))
    assert "'localhost'" in caught.value.hint

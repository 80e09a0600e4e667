"""Lines of TOML keys."""

import tomllib
from typing import Any, cast

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from fluxlit.config.toml_lines import key_lines, line_of, line_of_error

TRICKY = '''\
a = 1 # [not.a.table]
b = """
[trap]
c = "no key"
\\""" still in
"""
list = [ # [
  "]", ']', # c = 1
  { d = 1 },
]
lit = \'\'\'
e = 1
\'\'\'

[ table . "quoted.key" ]  # comment
"sp ace" = 1
dotted.'key' = {x = 1, y = [1,2]}
[[array]]
z = 1
[[array]]
z = 2
'''


def test_tricky() -> None:
    """Strings, comments, arrays and inline tables hide no key and invent none."""
    tomllib.loads(TRICKY)
    assert key_lines(TRICKY) == {
        ("a",): 1,
        ("b",): 2,
        ("list",): 7,
        ("lit",): 11,
        ("table", "quoted.key"): 15,
        ("table", "quoted.key", "sp ace"): 16,
        ("table", "quoted.key", "dotted", "key"): 17,
        ("array",): 18,
        ("array", "z"): 19,
    }


def test_crlf() -> None:
    """Line ends of Windows count once."""
    assert key_lines("a = 1\r\n\r\n[b]\r\nc = 2\r\n")["b", "c"] == 4


def test_inside_an_inline_table() -> None:
    """A key inside an inline table is on the line of its statement."""
    assert line_of(key_lines("x = 1\ny = {z = 1}"), ("y", "z")) == 2
    assert line_of({}, ("nowhere",)) == 1


_NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\r"), min_size=1, max_size=8)
_VALUES = st.one_of(st.booleans(), st.integers(-9, 9), _NAMES, st.lists(_NAMES, max_size=3))


@given(st.dictionaries(_NAMES, st.one_of(_VALUES, st.dictionaries(_NAMES, _VALUES, max_size=3))))
def test_finds_the_keys_that_tomllib_finds(document: dict[str, Any]) -> None:
    """On any document the keys found are the keys there are, each on a line that names it."""
    text = tomli_w.dumps(document, multiline_strings=True)
    expected: set[tuple[str, ...]] = {(key,) for key in document}
    for key, value in document.items():
        if isinstance(value, dict):
            expected |= {(key, inner) for inner in cast("dict[str, Any]", value)}
    assert set(key_lines(text)) == expected


@pytest.mark.parametrize(
    ("text", "line"), [("a = 1\nb = \nc = 2", 2), ("a = 1\n\nb = [", 3), ("a = 1\na = 2\n", 2)]
)
def test_lines_of_errors(text: str, line: int) -> None:
    """A TOML error has a line, also where tomllib says only "end of document"."""
    with pytest.raises(tomllib.TOMLDecodeError) as caught:
        tomllib.loads(text)
    assert line_of_error(caught.value, text) == line

"""Which line of a TOML text holds which key: tomllib tells values only.

The text has been read by tomllib before, so it is known to be valid; this scanner only needs to
skip values rightly (strings of four kinds, comments, nested brackets).
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import cast

Path = tuple[str, ...]

_KEY = r'(?:[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\')'
_KEYS = rf"{_KEY}(?:[ \t]*\.[ \t]*{_KEY})*"
_HEADER = re.compile(rf"[ \t]*\[\[?[ \t]*(?P<keys>{_KEYS})[ \t]*\]\]?")
_ASSIGNMENT = re.compile(rf"[ \t]*(?P<keys>{_KEYS})[ \t]*=")
_PIECE = re.compile(
    r'"""(?:[^\\]|\\.)*?"""'  # the longer quotes first
    r"|'''.*?'''"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
    r"|\#[^\n]*"
    r"|[\[\]{}\n]"
    r"|[^\[\]{}\n\"'\#]+",
    re.DOTALL,
)
_AT_LINE = re.compile(r"\(at line (\d+), column \d+\)")


def key_lines(text: str) -> dict[Path, int]:
    """Map the path of each key and table header of a valid TOML text to its line, from 1."""
    lines: dict[Path, int] = {}
    table: Path = ()
    for position, path, is_header in _statements(text.replace("\r\n", "\n")):
        whole = path if is_header else (*table, *path)
        lines.setdefault(whole, position)
        table = path if is_header else table
    return lines


def _statements(text: str) -> Iterator[tuple[int, Path, bool]]:
    position, line = 0, 1
    while position < len(text):
        header = _HEADER.match(text, position)
        match = header or _ASSIGNMENT.match(text, position)
        if match is not None:
            yield line, _split(match["keys"]), header is not None
        end = _skip_value(text, match.end() if match else position)
        line += text.count("\n", position, end)
        position = end


def _skip_value(text: str, position: int) -> int:
    """Find the end of the statement: the first newline outside of strings and brackets."""
    depth = 0
    for piece in _PIECE.finditer(text, position):
        if piece[0] == "\n" and depth == 0:
            return piece.end()
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(piece[0], 0)
    return len(text)


def _split(keys: str) -> Path:
    """Let tomllib itself read the dots, quotes and escapes of a key."""
    value: object = tomllib.loads(f"{keys} = 0")
    path: list[str] = []
    while isinstance(value, dict):
        ((name, value),) = cast("dict[str, object]", value).items()
        path.append(name)
    return tuple(path)


def line_of(lines: Mapping[Path, int], path: Path) -> int:
    """Line of a key; for one inside an inline table, that of the statement around it."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def line_of_error(error: tomllib.TOMLDecodeError, text: str) -> int:
    """Line that a TOML error speaks of: its own, or the last one at the end of the document."""
    match = _AT_LINE.search(str(error))
    return int(match[1]) if match else max(1, len(text.splitlines()))

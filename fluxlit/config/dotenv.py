"""The ``.env`` file: ``NAME=value`` lines, as docker compose, python-dotenv and shells read them.

Nothing is expanded and nothing is put into the process environment.
"""

import re

_LINE = re.compile(
    r"""
    ^[ \t]*(?:export[ \t]+)?
    (?P<name>[A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*
    (?: '(?P<literal>[^']*)'
      | "(?P<quoted>(?:[^"\\]|\\.)*)"
      | (?P<plain>[^\n]*?)
    )
    [ \t]*(?:(?<=[ \t])\#[^\n]*)?$
    """,
    re.VERBOSE | re.MULTILINE,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r"}


def parse(text: str) -> dict[str, tuple[str, int]]:
    """Read the text of a ``.env`` file to values with their line; of a name given twice the last.

    Lines that assign nothing are skipped: the file belongs to other tools too.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    found: dict[str, tuple[str, int]] = {}
    for match in _LINE.finditer(text):
        found[match["name"]] = (_value(match), text.count("\n", 0, match.start("name")) + 1)
    return found


def _value(match: "re.Match[str]") -> str:
    if match["literal"] is not None:
        return match["literal"]
    if match["quoted"] is not None:
        return _ESCAPE.sub(lambda m: _ESCAPED.get(m[1], m[1]), match["quoted"])
    return "" if match["plain"].startswith("#") else match["plain"].rstrip()

"""The .env file."""

import pytest

from fluxlit.config import dotenv


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=1", "1"),
        ("  export A = 1  ", "1"),
        ("A=", ""),
        ("A=a b # comment", "a b"),
        ("A=a#b", "a#b"),
        ("A= # only a comment", ""),
        ("A='a # b'", "a # b"),
        ("A='a' # b", "a"),
        (r"A='a\nb'", r"a\nb"),
        (r'A="a\nb\"c\\"', 'a\nb"c\\'),
        ('A="two\nlines"', "two\nlines"),
        ('A=["x", "y"]', '["x", "y"]'),
        ("A=$HOME", "$HOME"),
    ],
)
def test_values(line: str, value: str) -> None:
    """Quotes, escapes and comments are read as shells and compose read them; nothing is expanded."""
    assert dotenv.parse(line) == {"A": (value, 1)}


def test_lines() -> None:
    """Each value knows its line; of two the last holds; lines that assign nothing are skipped."""
    text = "\ufeff# head\r\nA=1\r\nnonsense\r\n\r\nB=2\r\nA=3\r\n"
    assert dotenv.parse(text) == {"A": ("3", 6), "B": ("2", 5)}

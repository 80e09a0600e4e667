"""Durations and sizes."""

import pytest

from fluxlit.config import units


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0.0),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e2", 100.0),
        ("100ms", 0.1),
        ("30s", 30.0),
        ("2m", 120.0),
        ("1h", 3600.0),
        (" 3 S ", 3.0),
        ("-1", -1.0),
    ],
)
def test_durations(text: str, expected: float) -> None:
    """Plain numbers are seconds; units are exact."""
    assert units.seconds(text) == expected


@pytest.mark.parametrize("text", ["", "s", "abc", "1d", "1 000", "nan", "inf", "1e999", "1,5", "٣"])
def test_no_durations(text: str) -> None:
    """What is no finite amount of a known unit is refused."""
    with pytest.raises(ValueError, match=r".*"):
        units.seconds(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("209715200", 209_715_200),
        ("200MB", 200_000_000),
        ("200MiB", 209_715_200),
        ("1kb", 1000),
        ("1 KiB", 1024),
        ("1.5GiB", 1_610_612_736),
        ("7B", 7),
        ("9007199254740993", 9_007_199_254_740_993),
    ],
)
def test_sizes(text: str, expected: int) -> None:
    """SI and IEC units differ, and large numbers stay exact."""
    assert units.size(text) == expected


@pytest.mark.parametrize("text", ["", "MB", "1.5", "1M", "1e400MB", "0.3B", "1TB"])
def test_no_sizes(text: str) -> None:
    """Parts of a byte and ambiguous units are refused."""
    with pytest.raises(ValueError, match=r".*"):
        units.size(text)

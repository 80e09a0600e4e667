"""What a client has, and which bytes it wants: rows of RFC 9110 13 and 14."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxlit.protocol.conditional import Span, unchanged, wanted
from fluxlit.protocol.refusal import Refusal

TAG = b'"a1"'


@pytest.mark.parametrize(
    ("values", "same"),
    [
        ([b'"a1"'], True),
        ([b'W/"a1"'], True),
        ([b'"b2", "a1"'], True),
        ([b'"b2"', b'"a1"'], True),
        ([b"*"], True),
        ([b'"b2"'], False),
        ([b"a1"], False),
        ([], False),
    ],
)
def test_if_none_match(values: list[bytes], same: bool) -> None:
    """Weakly compared, over all lines of the field."""
    assert unchanged([(b"if-none-match", value) for value in values], TAG) is same


@pytest.mark.parametrize(
    ("field", "span"),
    [
        (b"bytes=0-0", (0, 0)),
        (b"bytes=2-", (2, 9)),
        (b"bytes=2-5", (2, 5)),
        (b"bytes=2-99", (2, 9)),
        (b"bytes=-3", (7, 9)),
        (b"bytes=-99", (0, 9)),
        (b"Bytes = 1-2", (1, 2)),
        (b"bytes=5-2", None),
        (b"bytes=-", None),
        (b"bytes=0-1,4-5", None),
        (b"lines=0-1", None),
        (b"bytes=a-b", None),
        (b"bytes=-1-2", None),
    ],
)
def test_a_single_range(field: bytes, span: tuple[int, int] | None) -> None:
    """Several ranges, other units and nonsense get the whole (14.2)."""
    expected = Span(*span, 10) if span else None
    assert wanted([(b"range", field)], TAG, 10) == expected


@pytest.mark.parametrize("field", [b"bytes=10-", b"bytes=10-20", b"bytes=-0"])
def test_a_range_outside_is_416(field: bytes) -> None:
    """With the length, so that the client can ask better (15.5.17)."""
    with pytest.raises(Refusal) as refusal:
        wanted([(b"range", field)], TAG, 10)
    assert refusal.value.status == 416
    assert (b"content-range", b"bytes */10") in refusal.value.headers


@pytest.mark.parametrize(
    ("condition", "partial"),
    [
        (b'"a1"', True),
        (b'W/"a1"', False),
        (b'"b2"', False),
        (b"Sun, 06 Nov 1994 08:49:37 GMT", False),
    ],
)
def test_if_range_is_strong(condition: bytes, partial: bool) -> None:
    """A part of another version would not fit to what the client has (13.1.5)."""
    headers = [(b"range", b"bytes=1-2"), (b"if-range", condition)]
    assert (wanted(headers, TAG, 10) is not None) is partial


def test_two_range_fields_are_none() -> None:
    """The field is no list; two of them mean nothing."""
    assert wanted([(b"range", b"bytes=0-1")] * 2, TAG, 10) is None


@given(st.binary(max_size=30), st.integers(0, 50))
def test_a_span_lies_inside(field: bytes, size: int) -> None:
    """Whatever is asked for: a part of the file, the whole, or 416."""
    try:
        span = wanted([(b"range", b"bytes=" + field)], TAG, size)
    except Refusal:
        return
    assert span is None or 0 <= span.first <= span.last < size


def test_content_range() -> None:
    """As RFC 9110 14.4 writes it."""
    assert Span(2, 5, 10).content_range == b"bytes 2-5/10"

"""Accept-Encoding: the client's weights first, then our order, and identity for everybody else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxlit.protocol.encoding import IDENTITY, choose
from fluxlit.protocol.headers import listed

OFFERED = (b"br", b"zstd", b"gzip")


@pytest.mark.parametrize(
    ("field", "coding"),
    [
        (b"gzip, deflate, br, zstd", b"br"),
        (b"gzip, deflate", b"gzip"),
        (b"zstd, gzip", b"zstd"),
        (b"br;q=0.5, gzip;q=0.9", b"gzip"),
        (b"br;q=0, gzip;q=0", b"identity"),
        (b"BR", b"br"),
        (b"x-gzip", b"gzip"),
        (b"*", b"br"),
        (b"*;q=0.5, br;q=0", b"zstd"),
        (b"identity;q=0.5, *;q=0", b"identity"),
        (b"identity, gzip;q=0.5", b"identity"),
        (b"identity;q=0.5, gzip;q=0.5", b"gzip"),
        (b"deflate, compress", b"identity"),
        (b"br ; q=0.001", b"br"),
        (b"br;q=2, gzip", b"gzip"),
        (b"br;q=1.5, gzip", b"br"),
        (b"br;level=3, gzip", b"gzip"),
        (b"br;q=, gzip", b"gzip"),
        (b"", b"identity"),
        (b"identity;q=0", b"identity"),
    ],
)
def test_the_best_coding_that_the_client_can_read(field: bytes, coding: bytes) -> None:
    """RFC 9110 12.5.3; a weight that is none asks for nothing, one above 1 is 1."""
    assert choose(listed([(b"accept-encoding", field)], b"accept-encoding"), OFFERED) == coding


def test_without_the_field_nothing_is_packed() -> None:
    """Everything would be allowed, but such clients often cannot unpack."""
    assert choose([], OFFERED) == IDENTITY


@given(st.lists(st.binary(max_size=12), max_size=6))
def test_whatever_is_said_one_of_ours_comes_out(elements: list[bytes]) -> None:
    """Never an error, never a coding that we do not have."""
    assert choose(elements, OFFERED) in {*OFFERED, IDENTITY}

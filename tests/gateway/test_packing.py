"""Packing loses nothing, tags name exact bytes, and the shelf keeps to its size."""

import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from fluxlit.gateway.packing import CODINGS, Effort, Packed, Shelf, pack
from fluxlit.protocol.encoding import IDENTITY

UNPACK: dict[bytes, Callable[[bytes], bytes]] = {
    b"br": brotli.decompress,
    b"zstd": zstandard.decompress,
    b"gzip": lambda data: zlib.decompress(data, 31),
    IDENTITY: lambda data: data,
}
TEXT = b"const tea = 'Assam';\n" * 200


@pytest.mark.parametrize("effort", list(Effort))
@pytest.mark.parametrize("coding", [*CODINGS, IDENTITY])
@given(data=st.binary(max_size=300).map(lambda part: part * 3))
def test_unpacked_it_is_what_it_was(coding: bytes, effort: Effort, data: bytes) -> None:
    """Every coding, every effort, and never larger than the file itself."""
    packed = pack(data, coding, effort)
    assert UNPACK[packed.coding](packed.body) == data
    assert len(packed.body) <= len(data)


@pytest.mark.parametrize("coding", CODINGS)
def test_text_gets_small(coding: bytes) -> None:
    """The coding that was asked for is the one that is used."""
    packed = pack(TEXT, coding, Effort.QUICK)
    assert packed.coding == coding
    assert len(packed.body) < len(TEXT) / 10


@pytest.mark.parametrize("coding", CODINGS)
def test_what_does_not_get_smaller_stays(coding: bytes) -> None:
    """An empty file in gzip would have twenty bytes."""
    assert pack(b"", coding, Effort.QUICK).coding == IDENTITY


def test_a_tag_names_exact_bytes() -> None:
    """Another coding or another effort is another representation (RFC 9110 8.8.3)."""
    made = [pack(TEXT * 9, coding, effort) for coding in CODINGS for effort in Effort]
    made.append(pack(TEXT * 9, IDENTITY, Effort.QUICK))
    assert len({packed.etag for packed in made}) == len({packed.body for packed in made})
    assert all(packed.etag.startswith(b'"') for packed in made)


def _of(size: int) -> Packed:
    return Packed(bytes(size), IDENTITY, b'"x"')


def test_the_least_recently_used_goes_first() -> None:
    """Using is what counts, not making."""
    shelf = Shelf(100)
    shelf.put((b"/a", b"br"), _of(40))
    shelf.put((b"/b", b"br"), _of(40))
    assert shelf.get((b"/a", b"br"))
    shelf.put((b"/c", b"br"), _of(40))
    assert shelf.get((b"/b", b"br")) is None
    assert shelf.get((b"/a", b"br"))
    assert shelf.get((b"/c", b"br"))


def test_what_is_too_large_is_not_kept() -> None:
    """It would push out everything else, and then itself."""
    shelf = Shelf(100)
    shelf.put((b"/a", b"br"), _of(40))
    shelf.put((b"/b", b"br"), _of(101))
    assert shelf.get((b"/b", b"br")) is None
    assert shelf.get((b"/a", b"br"))


@given(st.lists(st.tuples(st.sampled_from([b"/a", b"/b", b"/c"]), st.integers(0, 60))))
def test_the_shelf_knows_its_size(steps: list[tuple[bytes, int]]) -> None:
    """Never above the limit, and always the sum of what lies there."""
    shelf = Shelf(100)
    for raw, size in steps:
        shelf.put((raw, b"br"), _of(size))
        kept = [shelf.get((name, b"br")) for name in (b"/a", b"/b", b"/c")]
        assert shelf.size == sum(len(packed.body) for packed in kept if packed) <= 100
    shelf.clear()
    assert shelf.size == 0

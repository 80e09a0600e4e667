"""Files in the form in which they are sent: packed by a coding, with their tag, on a shelf of bounded size."""

import zlib
from base64 import urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from hashlib import blake2b
from threading import Lock

from fluxlit.protocol.encoding import IDENTITY

Key = tuple[bytes, bytes]
"""Raw path and coding."""


class Effort(Enum):
    """How hard to try.

    Measured on the 61 packable files of Streamlit 1.67's first page, 2.12 MB: brotli 5 makes 468 KB
    in 0.03 s, 9 makes 454 KB in 0.3 s, 11 makes 419 KB in 2.2 s; zstd 12 makes 471 KB in 0.05 s;
    gzip 6 makes 510 KB in 0.04 s, and 9 hardly less.
    """

    QUICK = "while a browser waits"
    THOROUGH = "in the background"


@dataclass(frozen=True, slots=True)
class Packed:
    """A representation: its bytes, its coding, its strong tag (RFC 9110 8.8.3)."""

    body: bytes
    coding: bytes
    etag: bytes


def _brotli(data: bytes, effort: Effort) -> bytes:
    import brotli  # noqa: PLC0415 - 9 ms that a start need not wait for

    compress: Callable[..., bytes] = brotli.compress  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType]
    if effort is Effort.QUICK:
        return compress(data, quality=5)
    return compress(data, quality=11, lgblock=16)


def _zstd(data: bytes, _effort: Effort) -> bytes:
    import zstandard  # noqa: PLC0415 - 9 ms that a start need not wait for

    return zstandard.ZstdCompressor(level=12).compress(data)


def _gzip(data: bytes, _effort: Effort) -> bytes:
    deflate = zlib.compressobj(6, zlib.DEFLATED, 31)
    return deflate.compress(data) + deflate.flush()


_CODERS: Mapping[bytes, Callable[[bytes, Effort], bytes]] = {
    b"br": _brotli,
    b"zstd": _zstd,
    b"gzip": _gzip,
}
CODINGS = tuple(_CODERS)
"""What can be offered, best first: by size, as all of them are unpacked faster than a link brings them."""
IMPROVABLE = frozenset({b"br"})
"""Codings for which trying harder pays; no browser asks for zstd without br."""


def pack(data: bytes, coding: bytes, effort: Effort) -> Packed:
    """The representation of ``data`` in ``coding``; identity instead where that is not larger."""
    coder = _CODERS.get(coding)
    packed = coder(data, effort) if coder else data
    if len(packed) >= len(data):
        packed, coding = data, IDENTITY
    # Short: a page of a hundred files sends it a hundred times.
    tag = urlsafe_b64encode(blake2b(packed, digest_size=6).digest())
    return Packed(packed, coding, b'"%b"' % tag)


class Shelf:
    """Representations by path and coding, the least recently used dropped above ``limit`` bytes.

    May be used from any thread.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = Lock()
        self._packed: OrderedDict[Key, Packed] = OrderedDict()
        self.size = 0

    def get(self, key: Key) -> Packed | None:
        """What lies there, now the last to be dropped."""
        with self._lock:
            found = self._packed.get(key)
            if found is not None:
                self._packed.move_to_end(key)
            return found

    def put(self, key: Key, packed: Packed) -> None:
        """Keep it instead of what lies there; what is larger than the whole shelf is not kept."""
        with self._lock:
            self._drop(key)
            if len(packed.body) > self._limit:
                return
            self._packed[key] = packed
            self.size += len(packed.body)
            while self.size > self._limit:
                self._drop(next(iter(self._packed)))

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._packed.clear()
            self.size = 0

    def _drop(self, key: Key) -> None:
        old = self._packed.pop(key, None)
        self.size -= len(old.body) if old else 0

"""Streamlit's own files from the daemon: packed, tagged, kept by browsers, also while the sidecar is away.

No path of a request ever reaches the file system: only files that were listed are served, by name.
"""

import ctypes
import os
import re
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from anyio import CapacityLimiter, to_thread

from fluxlit.gateway import library
from fluxlit.gateway.answers import Answer
from fluxlit.gateway.library import File, Library
from fluxlit.gateway.packing import CODINGS, IMPROVABLE, Effort, Key, Packed, Shelf, pack
from fluxlit.log import get_logger
from fluxlit.protocol.conditional import unchanged, wanted
from fluxlit.protocol.encoding import IDENTITY, choose
from fluxlit.protocol.headers import Header, Headers, declares_body, listed, values
from fluxlit.protocol.refusal import Refusal
from fluxlit.status import StatusBoard

STATIC = b"/static/"
PATIENT = 1 << 20
"""Bytes of a file up to which the thorough pass tries: above, brotli 11 holds 80 MB for seconds."""
IDLE_PRIORITY = 19
"""Of the packing thread; on Linux each thread has its own (setpriority(2), "C library/kernel differences")."""

_PAGE = re.compile(
    rb"/(?!(?:_stcore|_fluxlit|app|auth|component|media|oauth2callback|static)\Z)[\w~-]*"
)

log = get_logger("fluxlit.assets")


def is_page(raw: bytes) -> bool:
    """Whether Streamlit answers this path with its page: the root, or one plain segment.

    It does so for many other paths too; those are left to it, as it may have a route there.
    """
    return raw == library.INDEX or _PAGE.fullmatch(raw) is not None


@dataclass(frozen=True, slots=True)
class Question:
    """What of a request matters here; ``page`` tells that the page may be given away."""

    method: str
    raw: bytes
    headers: Headers
    page: bool

    @property
    def ours(self) -> bool:
        """Whether it asks to read, and has no body that somebody would have to read first."""
        return self.method in {"GET", "HEAD"} and not declares_body(self.headers)


class Assets:
    """Answers from a Library; packs at once what is asked for, and better in the background."""

    def __init__(self, library: Library, memory: int) -> None:
        self._library = library
        self._shelf = Shelf(memory)
        self._queue: SimpleQueue[Key | None] = SimpleQueue()
        self._queued: set[Key] = set()
        # One at a time: the second of two who ask for the same finds it done.
        self._one = CapacityLimiter(1)

    @classmethod
    def of(cls, folder: Path | None, memory: int) -> "Assets | None":
        """What is to be served from ``folder``; None without one, and when it cannot be read."""
        try:
            return cls(library.read(folder), memory) if folder else None
        except OSError as error:
            log.warning("assets.unreadable", reason=str(error))
            return None

    async def answer(self, question: Question) -> Answer | None:
        """The answer, or None where the sidecar shall give it.

        Raises Refusal: 404 for a file below /static/ that does not exist, 416.
        """
        if not question.ours:
            return None
        if is_page(question.raw):
            return await self._page(question) if question.page else None
        file = self._library.files.get(question.raw)
        if file is None:
            if not question.raw.startswith(STATIC):
                return None
            await self._renew()
            file = self._library.files.get(question.raw)
            if file is None:
                raise Refusal(404, "There is no such file.")
        return await self._answer(question, question.raw, file)

    async def run(self, board: StatusBoard) -> None:
        """Pack what the first page needs as soon as the sidecar is ready, then what was asked for.

        Not earlier: packing competes with the start of the application, and needs no head start.
        """
        await board.wait_for(lambda snapshot: bool(snapshot.ready("ui")))
        self._expect_first()
        try:
            await to_thread.run_sync(self._work, abandon_on_cancel=True)
        finally:
            self._queue.put(None)

    async def _page(self, question: Question) -> Answer | None:
        await self._renew()
        file = self._library.files.get(library.INDEX)
        return await self._answer(question, library.INDEX, file) if file else None

    async def _renew(self) -> None:
        """Read the folder anew if another version has been installed while we run."""
        known = self._library
        try:
            renewed = await to_thread.run_sync(_renewed, known, limiter=self._one)
        except OSError as error:
            log.warning("assets.unreadable", reason=str(error))
            return
        if renewed is not known and self._library is known:
            log.info("assets.renewed", files=len(renewed.files))
            self._library, self._queued = renewed, set()
            self._shelf.clear()
            self._expect_first()

    async def _answer(self, question: Question, raw: bytes, file: File) -> Answer | None:
        packed = await self._packed((raw, _coding(question, file)), file)
        return _formed(question, file, packed) if packed else None

    async def _packed(self, key: Key, file: File) -> Packed | None:
        """The representation from the shelf, else made now; None if the file is gone."""
        found = self._shelf.get(key)
        if found is not None:
            return found
        try:
            packed = await to_thread.run_sync(self._make, key, file, limiter=self._one)
        except OSError as error:
            log.warning("assets.unreadable", reason=str(error))
            return None
        self._expect(key)
        return packed

    def _make(self, key: Key, file: File) -> Packed:
        found = self._shelf.get(key)
        if found is None:
            found = pack(file.path.read_bytes(), key[1], Effort.QUICK)
            self._shelf.put(key, found)
        return found

    def _expect_first(self) -> None:
        for raw in (library.INDEX, *self._library.first):
            self._expect((raw, b"br"))

    def _expect(self, key: Key) -> None:
        """Let the thread pack it better, once."""
        file = self._library.files.get(key[0])
        if file and file.packable and key[1] in IMPROVABLE and key not in self._queued:
            self._queued.add(key)
            self._queue.put(key)

    def _work(self) -> None:
        """Pack what is queued until None comes; runs in a thread of its own that gives way to all others."""
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), IDLE_PRIORITY)
        count, began = 0, 0.0
        while (key := self._queue.get()) is not None:
            began = began or time.monotonic()
            self._improve(key)
            count += 1
            if self._queue.empty():
                _give_back()
                seconds = round(time.monotonic() - began, 2)
                log.info("assets.packed", files=count, seconds=seconds, bytes=self._shelf.size)
                count, began = 0, 0.0

    def _improve(self, key: Key) -> None:
        known = self._library
        file = known.files.get(key[0])
        try:
            data = file.path.read_bytes() if file else b""
        except OSError:
            # Whoever asks for it hears of that.
            return
        if 0 < len(data) <= PATIENT:
            packed = pack(data, key[1], Effort.THOROUGH)
            if self._library is known:
                self._shelf.put(key, packed)


def _give_back() -> None:
    """Return what brotli's work has left in the allocator; a C library without malloc_trim needs it less.

    Measured: 67 MB before the first pass, 77 MB after it, 73 MB with this.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _renewed(known: Library) -> Library:
    return known if known.is_current() else library.read(known.folder)


def _coding(question: Question, file: File) -> bytes:
    """The coding to send; parts are parts of the file itself, so that they fit together for ever."""
    if not file.packable or values(question.headers, b"range"):
        return IDENTITY
    return choose(listed(question.headers, b"accept-encoding"), CODINGS)


def _formed(question: Question, file: File, packed: Packed) -> Answer:
    common: list[Header] = [(b"etag", packed.etag), (b"cache-control", file.cache)]
    if file.packable:
        common.append((b"vary", b"accept-encoding"))
    if unchanged(question.headers, packed.etag):
        return Answer(304, common, b"")
    common.append((b"content-type", file.kind))
    body, status = packed.body, 200
    if packed.coding != IDENTITY:
        common.append((b"content-encoding", packed.coding))
    else:
        common.append((b"accept-ranges", b"bytes"))
        span = (
            wanted(question.headers, packed.etag, len(body)) if question.method == "GET" else None
        )
        if span:
            body, status = body[span.first : span.last + 1], 206
            common.append((b"content-range", span.content_range))
    return Answer(status, [*common, (b"content-length", b"%d" % len(body))], body)

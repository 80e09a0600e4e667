"""Streamlit's files from the gateway: the same bytes as from Streamlit, packed, tagged, in every phase."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio
import brotli
import pytest
from streamlit.web.server.starlette.starlette_static_routes import create_streamlit_static_handler

from fluxlit.gateway import library
from fluxlit.gateway.asgi import ASGIApp
from fluxlit.gateway.assets import Assets, is_page
from fluxlit.gateway.library import ASK_AGAIN, FOREVER
from fluxlit.gateway.packing import CODINGS
from fluxlit.status import DaemonPhase, InstancePhase, Snapshot
from tests.doubles.asgi import Talk, ask
from tests.doubles.upstream import FakeAnswer, FakeRelay
from tests.gateway.support import board_of, gateway_of, instance, ready, settings_of
from tests.gateway.test_library import small
from tests.gateway.test_packing import UNPACK

MEMORY = 16 << 20
BROWSER = [("Accept-Encoding", "gzip, deflate, br, zstd")]
SCRIPT = "export const tea = 'Assam';\n" * 100
RESTARTING = Snapshot(
    DaemonPhase.UNAVAILABLE, instances=(instance(phase=InstancePhase.STARTING),), retry_at=None
)


@dataclass
class Place:
    """A gateway over a small page on disk and a fake sidecar."""

    folder: Path
    fake: FakeRelay = field(default_factory=lambda: FakeRelay(FakeAnswer(200, [], [b"relayed"])))
    snapshot: Snapshot = field(default_factory=ready)
    memory: int = MEMORY
    root_path: str = ""

    def __post_init__(self) -> None:
        small(self.folder)
        (self.folder / "static" / "a.js").write_text(SCRIPT)
        (self.folder / "static" / "b.woff2").write_bytes(bytes(range(100)))
        (self.folder / "favicon.png").write_bytes(b"png")
        self.board = board_of(self.snapshot)
        self.assets = Assets(library.read(self.folder), self.memory)
        settings = settings_of(root_path=self.root_path)
        self.app: ASGIApp = gateway_of(
            self.fake,
            board=self.board,
            assets=self.assets,
            settings=replace(settings, relay=replace(settings.relay, park_timeout=0.0)),
        )

    async def get(self, path: str, **more: Any) -> Talk:
        """One exchange, by default as a browser asks."""
        fields: dict[str, Any] = {"headers": BROWSER, **more}
        return await ask(self.app, path, **fields)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A ready daemon with a small page."""
    return Place(tmp_path / "ui")


async def test_every_file_is_what_streamlit_sends() -> None:
    """Byte for byte, and as long to be kept; over the whole installed tree."""
    folder = library.find()
    assert folder is not None
    streamlit = create_streamlit_static_handler(str(folder), None)
    found = library.read(folder)
    app = gateway_of(assets=Assets(found, 0))
    for raw in found.files:
        theirs, ours = await ask(streamlit, raw.decode()), await ask(app, raw.decode())
        for name in ("content-length", "cache-control", "accept-ranges"):
            assert ours.headers[name] == theirs.headers[name], (raw, name)
        assert (ours.status, ours.body == theirs.body) == (200, True), raw


@pytest.mark.parametrize("coding", CODINGS)
async def test_every_file_unpacks_to_itself(coding: bytes) -> None:
    """In each coding, over the whole installed tree; text gets smaller, fonts stay."""
    folder = library.find()
    assert folder is not None
    found = library.read(folder)
    app = gateway_of(assets=Assets(found, 0))
    for raw, file in found.files.items():
        talk = await ask(app, raw.decode(), headers=[("Accept-Encoding", coding.decode())])
        used = talk.headers.get("content-encoding", "identity").encode()
        assert UNPACK[used](talk.body) == file.path.read_bytes(), raw
        assert file.packable or used == b"identity", raw


@pytest.mark.parametrize("path", ["/", "/files", "/index.html", "/?embed=true"])
async def test_the_page_is_packed_and_asked_for_again(place: Place, path: str) -> None:
    """The same for every page's address, as Streamlit does it; nothing goes up."""
    talk = await place.get(path)
    assert talk.status == 200
    assert brotli.decompress(talk.body) == (place.folder / "index.html").read_bytes()
    assert talk.headers["cache-control"] == ASK_AGAIN.decode()
    assert talk.headers["content-type"] == "text/html; charset=utf-8"
    assert place.fake.asked == []


async def test_a_script_may_be_kept_for_ever(place: Place) -> None:
    """Its name has its hash; caches are told that there are several forms of it."""
    talk = await place.get("/static/a.js")
    assert talk.headers["cache-control"] == FOREVER.decode()
    assert talk.headers["vary"] == "accept-encoding"
    assert talk.headers["content-encoding"] == "br"
    assert talk.headers["content-length"] == str(len(talk.body))
    assert brotli.decompress(talk.body).decode() == SCRIPT


async def test_head_says_what_get_would(place: Place) -> None:
    """The same fields, no body."""
    get, head = await place.get("/static/a.js"), await place.get("/static/a.js", method="HEAD")
    for name in ("etag", "content-length", "content-encoding", "content-type"):
        assert get.headers[name] == head.headers[name]
    assert head.body == b""


async def test_what_the_client_has_is_not_sent_again(place: Place) -> None:
    """304 for the tag of the form it has, with what a cache needs; 200 for the tag of another form."""
    tag = (await place.get("/")).headers["etag"]
    same = await place.get("/", headers=[*BROWSER, ("If-None-Match", tag)])
    assert (same.status, same.body) == (304, b"")
    assert {"etag", "cache-control", "vary"} <= set(same.headers)
    assert "content-type" not in same.headers
    assert "content-length" not in same.headers
    plain = await place.get("/", headers=[("If-None-Match", tag)])
    assert plain.status == 200


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [
        ("bytes=2-5", 206, SCRIPT[2:6]),
        ("bytes=-3", 206, SCRIPT[-3:]),
        ("bytes=0-1,3-4", 200, SCRIPT),
    ],
)
async def test_a_range_is_a_part_of_the_file_itself(
    place: Place, asked: str, status: int, part: str
) -> None:
    """Never of a packed form: parts that are fetched at different times must fit together."""
    talk = await place.get("/static/a.js", headers=[*BROWSER, ("Range", asked)])
    assert (talk.status, talk.body.decode()) == (status, part)
    assert "content-encoding" not in talk.headers
    assert talk.headers["content-length"] == str(len(part))
    assert ("content-range" in talk.headers) is (status == 206)


async def test_a_range_outside_is_416(place: Place) -> None:
    """With the file's length; HEAD knows no ranges (RFC 9110 14.2)."""
    far = [("Range", "bytes=99999-")]
    talk = await place.get("/static/a.js", headers=far)
    assert (talk.status, talk.headers["content-range"]) == (416, f"bytes */{len(SCRIPT)}")
    assert (await place.get("/static/a.js", method="HEAD", headers=far)).status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/static/gone.js",
        "/static/",
        "/static/a.js/",
        "/static/%61.js",
        "/static/..%2Findex.html",
        "/static/A.js",
    ],
)
async def test_a_file_that_is_not_there_is_404(place: Place, path: str) -> None:
    """At once and not to be kept: a tab older than the server must not take a page for a script.

    Only listed names are files: no path of a request reaches the disk.
    """
    talk = await place.get(path)
    assert talk.status in {400, 404}
    assert talk.headers["cache-control"] == "no-store"
    assert place.fake.asked == []


@pytest.mark.parametrize("path", ["/../pyproject.toml", "/static/../../x", "/%2e%2e/x", "//etc/x"])
async def test_no_path_leads_out_of_the_folder(place: Place, path: str) -> None:
    """Refused before anybody looks."""
    talk = await place.get(path)
    assert talk.status == 400
    assert place.fake.asked == []


@pytest.mark.parametrize(
    "path",
    ["/media/x.png", "/_stcore/health", "/app/static/x", "/a/b", "/robots.txt", "/auth", "/app"],
)
async def test_all_else_is_relayed(place: Place, path: str) -> None:
    """Streamlit's own routes, and whatever may be one."""
    talk = await place.get(path)
    assert talk.body == b"relayed"


@pytest.mark.parametrize("method", ["POST", "OPTIONS", "DELETE"])
async def test_only_reading_is_answered_here(place: Place, method: str) -> None:
    """What other methods mean is for Streamlit to say."""
    talk = await place.get("/static/a.js", method=method)
    assert talk.body == b"relayed"


async def test_a_get_with_a_body_is_relayed(place: Place) -> None:
    """Somebody has to read the body; the relay does."""
    talk = await place.get("/static/a.js", body=b"x", headers=[("Content-Length", "1")])
    assert talk.body == b"relayed"


async def test_files_are_served_while_the_sidecar_restarts(tmp_path: Path) -> None:
    """Scripts and pictures at once; the page is not, as it could not connect: the waiting page is."""
    place = Place(tmp_path / "ui", snapshot=RESTARTING)
    for path in ("/static/a.js", "/favicon.png", "/static/b.woff2"):
        assert (await place.get(path)).status == 200
    page = await place.get("/", headers=[*BROWSER, ("Accept", "text/html")])
    assert page.status == 503
    assert b"http-equiv" in page.body
    assert place.fake.asked == []


async def test_a_draining_daemon_lets_nobody_new_in(tmp_path: Path) -> None:
    """Open tabs get their scripts, new ones no page, though the instance is still ready."""
    snapshot = Snapshot(DaemonPhase.DRAINING, instances=(instance(),))
    place = Place(tmp_path / "ui", snapshot=snapshot)
    assert (await place.get("/static/a.js")).status == 200
    assert (await place.get("/")).status == 503


@pytest.mark.parametrize("front", ["", "/content/123"], ids=["stripped", "kept"])
async def test_below_a_mount(tmp_path: Path, front: str) -> None:
    """Behind proxies that strip the prefix or keep it; the page's links are relative anyway."""
    place = Place(tmp_path / "ui", root_path="/content/123")
    for path in ("/", "/files", "/static/a.js"):
        assert (await place.get(front + path)).headers["content-encoding"] == "br"


async def test_another_version_that_is_installed_meanwhile_is_served(place: Place) -> None:
    """Its page and its new scripts; the old ones, which are gone, are 404."""
    await place.get("/")
    await place.get("/static/a.js")
    (place.folder / "static" / "a.js").rename(place.folder / "static" / "new.js")
    (place.folder / "index.html").write_text("<script src='./static/new.js'></script>" * 20)
    assert (await place.get("/static/new.js")).status == 200
    assert (await place.get("/static/a.js")).status == 404
    page = await place.get("/")
    assert brotli.decompress(page.body) == (place.folder / "index.html").read_bytes()


@pytest.mark.parametrize("path", ["/static/a.js", "/"])
async def test_a_folder_that_is_gone_leaves_it_to_the_sidecar(place: Place, path: str) -> None:
    """It may know better, and it is its answer then."""
    (place.folder / "static" / "a.js").unlink()
    (place.folder / "index.html").unlink()
    assert (await place.get(path)).body == b"relayed"


async def test_an_unreadable_folder_serves_nothing(tmp_path: Path) -> None:
    """The daemon starts all the same."""
    assert Assets.of(None, MEMORY) is None
    assert Assets.of(tmp_path / "nowhere", MEMORY) is None


async def test_without_memory_everything_is_made_anew(tmp_path: Path) -> None:
    """Slow, but right."""
    place = Place(tmp_path / "ui", memory=0)
    bodies = {(await place.get("/static/a.js")).body for _ in range(2)}
    assert [brotli.decompress(body).decode() for body in bodies] == [SCRIPT]


@asynccontextmanager
async def packing(place: Place) -> AsyncGenerator[None]:
    """The background work runs while the block does."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(place.assets.run, place.board)
        yield
        tasks.cancel_scope.cancel()


async def _smaller(place: Place, path: str, than: int) -> None:
    with anyio.fail_after(20):
        while len((await place.get(path)).body) >= than:
            await anyio.sleep(0.01)


async def test_what_was_asked_for_gets_smaller_in_the_background(tmp_path: Path) -> None:
    """The first one waits for a quick packing only; later ones get the thorough one, under another tag."""
    place = Place(tmp_path / "ui")
    text = "".join(f"export const tea{n} = {n * n % 97};\n" for n in range(3000))
    (place.folder / "static" / "c.js").write_text(text)
    place.assets = Assets(library.read(place.folder), MEMORY)
    place.app = gateway_of(place.fake, board=place.board, assets=place.assets)
    first = await place.get("/static/c.js")
    async with packing(place):
        await _smaller(place, "/static/c.js", len(first.body))
        later = await place.get("/static/c.js")
    assert later.headers["etag"] != first.headers["etag"]
    assert brotli.decompress(later.body).decode() == text


async def test_nothing_is_packed_before_the_application_is_ready(tmp_path: Path) -> None:
    """Its start has the processor for itself; then what the page names comes first."""
    place = Place(tmp_path / "ui", snapshot=RESTARTING)
    shelf = place.assets._shelf
    async with packing(place):
        await anyio.wait_all_tasks_blocked()
        assert shelf.size == 0
        place.board.publish(ready())
        with anyio.fail_after(20):
            while not shelf.get((b"/static/a.js", b"br")):
                await anyio.sleep(0.01)


@pytest.mark.parametrize(
    ("raw", "page"),
    [
        (b"/", True),
        (b"/files", True),
        (b"/apps", True),
        (b"/tea_shop-2", True),
        (b"/_stcore", False),
        (b"/static", False),
        (b"/media", False),
        (b"/a/b", False),
        (b"/a.js", False),
        (b"/caf%C3%A9", False),
        (b"/files/", False),
    ],
)
def test_what_a_page_is(raw: bytes, page: bool) -> None:
    """The root and plain names; whatever may be a route of Streamlit's is not."""
    assert is_page(raw) is page

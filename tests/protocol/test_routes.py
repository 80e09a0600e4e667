"""The route table."""

import pytest

from fluxlit.protocol.mount import check, locate
from fluxlit.protocol.refusal import Refusal
from fluxlit.protocol.routes import (
    PROBES,
    STREAM,
    Probe,
    Redirect,
    Route,
    Routes,
    ToApi,
    ToOps,
    ToUi,
)

ROUTES = Routes()
MOUNT = "/content/123"


def route(raw: str, method: str = "GET", *, mount: str = "", query: bytes = b"") -> Route:
    """The route of a path as it came."""
    path = locate(raw.encode(), check(raw.encode()), root_path=mount)
    return ROUTES.http(path, method, query)


@pytest.mark.parametrize("raw", ["/api", "/api/", "/api/x", "/api/a%2Fb", "/api/%E2%82%AC"])
@pytest.mark.parametrize("mount", ["", MOUNT])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_prefix_belongs_to_the_api(raw: str, mount: str, method: str) -> None:
    """With and without the mount in front, whatever the method."""
    assert route(mount + raw, method, mount=mount) == ToApi()
    assert route(raw, method, mount=mount) == ToApi()


@pytest.mark.parametrize(
    "raw", ["/", "/page2", "/apix", "/_stcore/health", "/static/a.js", "/media/x%2Fy", "/docs/x"]
)
def test_everything_else_belongs_to_the_sidecar(raw: str) -> None:
    """Byte for byte as it came."""
    assert route(raw) == ToUi(raw.encode())


@pytest.mark.parametrize(
    "raw",
    [
        "/API",
        "/Api/x",
        "/%61pi/x",
        "/api%2Fx",
        "/a%70i",
        "/_stcore/metrics",
        "/_stcore/metrics/",
        "/_stcore%2Fmetrics",
        "/_stcore/%6Detrics",
        "/_stcore/agent",
        "/_stcore/agent/mcp",
        "/_stcore/script-health-check",
        "/%5fstcore/health",
        "/_STCORE/health",
        "/_stcore/upload_file%2Fs%2Ff",
        "/page2/_stcore/health",
        "/page2/_stcore/host-config",
        "/a/b/_stcore/health",
    ],
)
def test_lookalikes_and_insides_are_nobody_s(raw: str) -> None:
    """404, and never relayed."""
    with pytest.raises(Refusal) as refusal:
        route(raw)
    assert refusal.value.status == 404


@pytest.mark.parametrize("name", sorted(PROBES))
@pytest.mark.parametrize("mount", ["", MOUNT])
def test_probes_and_their_aliases(name: str, mount: str) -> None:
    """Found by the fast table and by the rules alike, with the mount and without it."""
    table = ROUTES.probes(mount)
    assert table[f"/api/{name}".encode()] == PROBES[name]
    assert table[f"{mount}/api/{name}".encode()] == PROBES[name]
    assert route(f"{mount}/api/{name}", mount=mount) == ToOps(Probe(PROBES[name]))


def test_f98_probes_are_only_read() -> None:
    """405 with Allow for anything but GET and HEAD."""
    with pytest.raises(Refusal) as refusal:
        route("/api/healthz", "POST")
    assert refusal.value.status == 405
    assert (b"allow", b"GET, HEAD") in refusal.value.headers


@pytest.mark.parametrize(
    ("raw", "place"),
    [
        ("/docs", "/api/docs"),
        ("/docs/", "/api/docs"),
        ("/redoc", "/api/redoc"),
        ("/openapi.json", "/api/openapi.json"),
    ],
)
@pytest.mark.parametrize("mount", ["", MOUNT])
def test_docs_lead_to_the_api(raw: str, place: str, mount: str) -> None:
    """Below mount and prefix, keeping the query; for reading methods only."""
    found = route(raw, mount=mount, query=b"a=1")
    assert found == Redirect(f"{mount}{place}?a=1".encode())
    assert route(raw, "POST", mount=mount) == ToUi(raw.encode())


def test_the_bare_mount_leads_to_its_slash() -> None:
    """Relative links of the page would start one level too high."""
    assert route(MOUNT, mount=MOUNT, query=b"x=1") == Redirect(b"/content/123/?x=1")
    assert route(MOUNT, "POST", mount=MOUNT) == ToUi(b"/")


def test_without_an_api_only_probes_are_below_the_prefix() -> None:
    """The rest is 404; /docs may be a page."""
    bare = Routes(has_api=False)
    for raw in (b"/api", b"/api/x"):
        with pytest.raises(Refusal):
            bare.http(locate(raw, check(raw), root_path=""), "GET")
    assert bare.http(locate(b"/docs", "/docs", root_path=""), "GET") == ToUi(b"/docs")
    assert isinstance(bare.http(locate(b"/api/readyz", "/api/readyz", root_path=""), "GET"), ToOps)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("/_stcore/stream", ToUi(STREAM)),
        ("/api/ws", ToApi()),
        ("/_stcore/%73tream", None),
        ("/_stcore%2Fstream", None),
        ("/_stcore/stream/", None),
        ("/page2/_stcore/stream", None),
        ("/", None),
        ("/api/healthz", None),
    ],
)
def test_websockets_open_on_one_path_and_below_the_api(raw: str, expected: Route | None) -> None:
    """Streamlit would accept encoded forms as well; we do not."""
    path = locate(raw.encode(), check(raw.encode()), root_path="")
    if expected is None:
        with pytest.raises(Refusal):
            ROUTES.websocket(path)
    else:
        assert ROUTES.websocket(path) == expected

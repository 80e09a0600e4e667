"""Below a mount: what users of a prefixed deployment rely on, by proxies that strip it or keep it."""

from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse

from fluxlit.gateway.asgi import ASGIApp
from tests.doubles.asgi import ask, knock
from tests.doubles.upstream import FakeAnswer, FakeRelay
from tests.gateway.support import gateway_of, settings_of

MOUNT = "/content/123"
BOTH = pytest.mark.parametrize("front", ["", MOUNT], ids=["stripped", "kept"])


def _api() -> FastAPI:
    api = FastAPI()

    @api.get("/ping")
    async def ping(request: Request) -> dict[str, Any]:
        return {"url": str(request.url), "ping": str(request.url_for("ping"))}

    @api.get("/away")
    async def away(request: Request) -> RedirectResponse:
        return RedirectResponse(request.url_for("ping"))

    return api


def mounted(fake: FakeRelay | None = None) -> ASGIApp:
    """A gateway with a real FastAPI app below the mount."""
    return gateway_of(fake, api=_api(), settings=settings_of(root_path=MOUNT))


@BOTH
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_prefixed_healthz(front: str, method: str) -> None:
    """Claim 6: it answers below the mount and without it, and is never redirected."""
    talk = await ask(mounted(), f"{front}/api/healthz", method=method)
    assert talk.status == 200
    assert "location" not in talk.headers


@BOTH
async def test_prefixed_docs(front: str) -> None:
    """The page asks for the schema below mount and prefix."""
    talk = await ask(mounted(), f"{front}/api/docs")
    assert talk.status == 200
    assert f"{MOUNT}/api/openapi.json".encode() in talk.body


@BOTH
async def test_f97_the_schema_s_server_is_the_public_one(front: str) -> None:
    """What Swagger tries out is below mount and prefix; url_for leads there, too."""
    schema = await ask(mounted(), f"{front}/api/openapi.json")
    assert f'"servers":[{{"url":"{MOUNT}/api"}}]'.encode() in schema.body
    ping = await ask(mounted(), f"{front}/api/ping")
    assert ping.status == 200
    expected = f"http://example.test{MOUNT}/api/ping"
    assert ping.body.decode() == f'{{"url":"{expected}","ping":"{expected}"}}'
    away = await ask(mounted(), f"{front}/api/away")
    assert away.headers["location"] == expected


@BOTH
@pytest.mark.parametrize("page", ["/docs", "/docs/", "/redoc", "/openapi.json"])
async def test_docs_at_the_top_lead_below_the_prefix(front: str, page: str) -> None:
    """307 to the public place."""
    talk = await ask(mounted(), f"{front}{page}")
    assert talk.status == 307
    assert talk.headers["location"] == f"{MOUNT}/api{page.rstrip('/')}"


@BOTH
@pytest.mark.parametrize(
    "path",
    ["/", "/page2", "/_stcore/health", "/_stcore/upload_file/s/f%2Fg", "/media/ab.png?x=%20"],
)
async def test_streamlit_bound_paths_lose_the_mount(front: str, path: str) -> None:
    """The sidecar knows nothing of it; the rest stays byte for byte."""
    fake = FakeRelay()
    assert (await ask(mounted(fake), front + path)).status == 200
    assert fake.asked[0][1].target == path.encode()


@BOTH
@pytest.mark.parametrize(
    "path", ["/_stcore/metrics", "/_stcore/agent/mcp", "/_stcore/script-health-check", "/API/ping"]
)
async def test_paths_that_are_nobody_s(front: str, path: str) -> None:
    """404 without asking the sidecar."""
    fake = FakeRelay()
    assert (await ask(mounted(fake), front + path)).status == 404
    assert not fake.asked


@BOTH
async def test_websockets_open_on_the_stream_only(front: str) -> None:
    """Encoded forms, which Streamlit would take, are denied."""
    for path in ("/_stcore/%73tream", "/other", "/_stcore/stream/"):
        assert (await knock(mounted(), front + path)).status == 404


async def test_the_bare_mount_gets_its_slash() -> None:
    """On the same origin, keeping the query."""
    talk = await ask(mounted(), f"{MOUNT}?a=1")
    assert talk.status == 307
    assert talk.headers["location"] == f"{MOUNT}/?a=1"


@BOTH
async def test_cookies_and_redirects_of_the_sidecar_fit_the_mount(front: str) -> None:
    """Claim 8: what the browser is told works below the mount."""
    fields = [
        ("location", "/oauth2callback"),
        ("set-cookie", "_streamlit_user=x; Path=/; HttpOnly"),
    ]
    talk = await ask(mounted(FakeRelay(FakeAnswer(302, fields))), f"{front}/auth/login")
    assert talk.headers["location"] == f"{MOUNT}/oauth2callback"
    assert talk.headers["set-cookie"] == f"_streamlit_user=x; Path={MOUNT}; HttpOnly"

"""Streamlit's own AppTest over our entry script: a session without a browser."""

import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import anyio
import httpx
from fastapi import FastAPI
from streamlit import util
from streamlit.testing.v1 import AppTest

from fluxlit.sidecar import run
from fluxlit.sidecar.command import ENTRY


@contextmanager
def own_process() -> Generator[None]:
    """Undo what the entry script does to a process that is meant to be its own."""
    path, modules, environment = list(sys.path), set(sys.modules), dict(os.environ)
    run._loaded.clear()
    try:
        yield
    finally:
        sys.path[:] = path
        run._loaded.clear()
        os.environ.clear()
        os.environ.update(environment)
        for name in set(sys.modules) - modules:
            if name.startswith("user_"):
                del sys.modules[name]


def session(slug: str = "") -> AppTest:
    """A session that has not run yet, on the page of that slug (the page at ``/`` when left out)."""
    test = AppTest.from_file(str(ENTRY), default_timeout=20)
    if slug:
        # AppTest can switch to files only; ours are functions, whose id is the hash of their slug.
        # The function that makes the hash had another name in older versions.
        make: Callable[[str], str] = getattr(
            util, "calc_hash" if hasattr(util, "calc_hash") else "calc_md5"
        )
        test._page_hash = make(slug)
    return test


def through(app: FastAPI) -> httpx.MockTransport:
    """A synchronous transport that calls an ASGI app mounted at /api, without a socket."""

    def handle(request: httpx.Request) -> httpx.Response:
        async def ask() -> httpx.Response:
            inner = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=inner, base_url="http://api") as client:
                return await client.request(
                    request.method,
                    str(request.url.copy_with(scheme="http", host="api", port=None)).replace(
                        "/api/", "/", 1
                    ),
                    content=request.content,
                    headers={"content-type": request.headers.get("content-type", "text/plain")},
                )

        answer = anyio.run(ask)
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    return httpx.MockTransport(handle)


def user_module(folder: Path, text: str) -> str:
    """Write a user's application and return its target."""
    folder.mkdir(exist_ok=True)
    file = folder / f"user_{folder.name.replace('-', '_')}.py"
    file.write_text("from fluxlit import ApiClient, FluxLit\napp = FluxLit()\n" + text)
    return f"{file}:app"

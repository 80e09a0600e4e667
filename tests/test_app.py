"""The FluxLit object: its API, its pages, its titles."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import cast

import httpx
import pytest

from fluxlit import FluxLit
from fluxlit.config.settings import Settings


def test_the_api_is_one_fastapi_app_with_the_title_and_arguments_given() -> None:
    """Routes are registered on the object that is served."""
    app = FluxLit(title="Shop", fastapi_kwargs={"version": "7"})
    assert app.api is app.api
    assert (app.api.title, app.api.version) == ("Shop", "7")


async def test_the_documentation_needs_nothing_from_elsewhere() -> None:
    """Hosts without a way out, and every path below the prefix it is mounted at."""
    transport = httpx.ASGITransport(FluxLit().api, root_path="/x/api")
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        page = (await client.get("/docs")).text
        schema = (await client.get("/openapi.json")).json()
    assert "//cdn." not in page
    assert "/x/api/static-offline-docs/swagger-ui-bundle.js" in page
    assert schema["servers"] == [{"url": "/x/api"}]


@pytest.mark.parametrize("name", ["openapi_url", "swagger_ui_oauth2_redirect_url"])
def test_the_documentation_may_be_switched_off(name: str) -> None:
    """FastAPI's own switches keep their meaning."""
    assert FluxLit(fastapi_kwargs={name: None}).api.title == "FluxLit"


def test_a_configured_title_counts_where_the_code_gives_none() -> None:
    """Code, then configuration, then the name of the tool."""
    configured = replace(Settings(), title="Configured")
    assert FluxLit().title == "FluxLit"
    assert FluxLit(settings=configured).title == "Configured"
    assert FluxLit(title="Code", settings=configured).title == "Code"


def test_a_title_learned_after_the_import_reaches_the_api() -> None:
    """The user's module makes routes before anybody can tell it the configuration."""
    app, titled = FluxLit(), FluxLit(title="Code")
    assert (app.api.title, titled.api.title) == ("FluxLit", "Code")
    app.default_title("Configured")
    titled.default_title("Configured")
    assert (app.title, app.api.title) == ("Configured", "Configured")
    assert (titled.title, titled.api.title) == ("Code", "Code")


def test_page_registers_and_returns_the_function_unchanged() -> None:
    """The function can still be called and tested by itself."""
    app = FluxLit()

    @app.page("/", tags=["main"], icon="🍵")
    def home() -> None:
        """Say hello."""

    (page,) = app.pages
    assert page.fn is home
    assert (page.path, page.title, page.tags, page.description, page.icon) == (
        "/",
        "home",
        ("main",),
        "Say hello.",
        "🍵",
    )


def test_a_page_that_cannot_be_called_is_not_registered() -> None:
    """The error is raised where the page is written and names it."""
    app = FluxLit()
    with pytest.raises(ValueError, match=r"page '/x': nothing can fill parameter 'database'"):

        @app.page("/x")
        def show(database: object) -> None: ...

    assert app.pages == ()


def test_an_unknown_page_config_is_refused_with_the_nearest_name() -> None:
    """Otherwise it would fail at the first visit."""
    with pytest.raises(ValueError, match="did you mean 'page_title'"):
        FluxLit(streamlit_page_config={"pagetitle": "x"})


def test_it_does_not_pretend_to_be_an_asgi_app() -> None:
    """A server that imports the object must fail at once, not answer without pages."""
    assert not callable(FluxLit())


def test_neither_fastapi_nor_streamlit_is_imported_before_it_is_used() -> None:
    """The daemon never imports Streamlit; a module of pages alone needs neither."""
    code = (
        "import sys, fluxlit.target, fluxlit.sidecar.command\n"
        "from fluxlit import FluxLit\n"
        "app = FluxLit()\n"
        "app.page('/')(lambda st, client: None)\n"
        "app.pages, app.title\n"
        "print(sorted({'fastapi', 'streamlit', 'httpx', 'pydantic'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_page_without_brackets_is_refused() -> None:
    """It would register nothing, and the page would be missing without a word."""

    def sales(st: object) -> None:
        """A page."""

    bare = cast("Callable[[Callable[..., None]], object]", FluxLit().page)
    with pytest.raises(TypeError, match=r"@app\.page\('/sales'\)"):
        bare(sales)

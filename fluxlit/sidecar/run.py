"""One run of the script: find the application, find the page the user is on, run it."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import streamlit as st

from fluxlit.app import FluxLit
from fluxlit.client import shared_client
from fluxlit.errors import TargetError
from fluxlit.pages.injection import Source, values
from fluxlit.pages.registry import PageRecord
from fluxlit.sidecar import variables
from fluxlit.sidecar.failures import PAGE_FAILED, UNLOADABLE, fail, guarded
from fluxlit.target import load_app

_OFFERS: Mapping[Source, Callable[[], object]] = {
    Source.STREAMLIT: lambda: st,
    Source.CLIENT: shared_client,
}

# Asking for the application goes through the import system each time; reruns are frequent.
_loaded: dict[str, FluxLit] = {}


def run() -> None:
    """Run the page that the browser shows; an application that cannot be imported is shown as an error."""
    application = _application()
    if not application.pages:
        _welcome(application)
        return
    # A page of Streamlit is only a description; building all of them costs microseconds each.
    pages = {record.path: _page(application, record) for record in application.pages}
    if "/" not in pages:
        pages = {"/": _way_to(next(iter(pages.values()))), **pages}
    st.navigation(list(pages.values())).run()


def _application() -> FluxLit:
    target = os.environ.get(variables.APP, "app:app")
    if target not in _loaded:
        try:
            loaded = load_app(
                target, Path.cwd(), api_prefix=os.environ.get(variables.API_PREFIX, "/api")
            )
        except TargetError as exc:
            # Not remembered: what failed for want of a database may succeed for the next user.
            fail(exc.__cause__ or exc, UNLOADABLE, where=f"target {target}: {exc}")
        loaded.default_title(os.environ.get(variables.TITLE, loaded.title))
        _loaded[target] = loaded
    return _loaded[target]


def _page(application: FluxLit, record: PageRecord) -> Any:  # noqa: ANN401 - Streamlit's class had another name before
    def show() -> None:
        with guarded(PAGE_FAILED, where=f"page {record.path}"):
            st.set_page_config(**_page_config(application, record))
            record.fn(**values(application.plan(record), _OFFERS))

    home = record.path == "/"
    return st.Page(show, title=record.label, icon=record.icon, url_path=record.slug, default=home)


def _page_config(application: FluxLit, record: PageRecord) -> Any:  # noqa: ANN401 - Streamlit checks the values
    named = record.path != "/" and record.label != application.title
    tab = f"{record.label} · {application.title}" if named else application.title
    return {"page_title": tab, **application.page_config}


def _way_to(first: object) -> Any:  # noqa: ANN401
    """Lead ``/`` to the first page of an application that has no page there, under the page's own address."""
    return st.Page(
        lambda: st.switch_page(cast("Any", first)),
        title="Start",
        url_path="home",
        default=True,
        visibility="hidden",
    )


def _welcome(application: FluxLit) -> None:
    prefix = os.environ.get(variables.API_PREFIX, "/api")
    st.set_page_config(page_title=application.title)
    st.title(application.title)
    st.info(
        "This application has no pages yet. Add one with `@app.page('/')` above a function. "
        f"Its API is described at `{prefix}/docs`."
    )

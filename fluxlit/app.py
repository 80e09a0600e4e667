"""FluxLit: what an application is made of, its API and its pages.

Nothing is started here and neither FastAPI nor Streamlit is imported before it is used: the daemon
reads ``api``, the sidecar reads ``pages``, both from the same object of the user's module.
"""

import difflib
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from fluxlit.config.settings import Settings
from fluxlit.pages.injection import Plan, plan
from fluxlit.pages.registry import PageFunction, PageRecord, Registry

if TYPE_CHECKING:
    from fastapi import FastAPI

__all__ = ["FluxLit", "PageRecord"]

Page = TypeVar("Page", bound=PageFunction)

PAGE_CONFIG = ("page_title", "page_icon", "layout", "initial_sidebar_state", "menu_items")
"""What ``streamlit_page_config`` may hold: the arguments of ``st.set_page_config``."""

_SCHEMA = ("openapi_url", "swagger_ui_oauth2_redirect_url")


class FluxLit:
    """One application: a FastAPI app and the Streamlit pages beside it.

    ``title`` names the API and the browser tab; without it the configured title is used.
    ``fastapi_kwargs`` go to FastAPI, ``streamlit_page_config`` to ``st.set_page_config``.
    """

    def __init__(
        self,
        *,
        title: str | None = None,
        settings: Settings | None = None,
        fastapi_kwargs: Mapping[str, object] | None = None,
        streamlit_page_config: Mapping[str, object] | None = None,
    ) -> None:
        self.settings = settings or Settings()
        self._title = title
        self._default_title = self.settings.title
        self._fastapi_kwargs = dict(fastapi_kwargs or {})
        self.page_config = MappingProxyType(dict(streamlit_page_config or {}))
        self._registry = Registry()
        self._plans: dict[str, Plan] = {}
        _refuse_unknown(self.page_config)

    def __repr__(self) -> str:
        return f"<FluxLit {self.title!r}, {len(self._registry)} pages>"

    @property
    def title(self) -> str:
        """The title given in code, else the configured one."""
        return self._title or self._default_title

    @property
    def pages(self) -> tuple[PageRecord, ...]:
        """The pages in the order of their registration."""
        return tuple(self._registry)

    @cached_property
    def api(self) -> "FastAPI":
        """The FastAPI app; its routes are written without the API prefix."""
        # Imported here: FastAPI takes about 0.3 s, which code that reads only the pages saves.
        from fastapi import FastAPI  # noqa: PLC0415
        from fastapi_offline import FastAPIOffline  # noqa: PLC0415

        arguments: dict[str, Any] = {"title": self.title, **self._fastapi_kwargs}
        # The offline form serves the documentation without a CDN; it insists on having a schema.
        documented = all(arguments.get(name, name) for name in _SCHEMA)
        return FastAPIOffline(**arguments) if documented else FastAPI(**arguments)

    def default_title(self, title: str) -> None:
        """Use ``title`` where the code gave none; called once by whoever loaded the application."""
        self._default_title = title
        if "api" in vars(self) and self._title is None and "title" not in self._fastapi_kwargs:
            self.api.title = title

    def page(
        self,
        path: str,
        *,
        title: str | None = None,
        icon: str | None = None,
        tags: Iterable[str] = (),
    ) -> Callable[[Page], Page]:
        """Register the decorated function as the page at ``path``; it is called anew for every rerun.

        ``icon`` is an emoji or ``:material/name:``; prefer an emoji, because for the other Streamlit
        lets browsers fetch the tab's icon from fonts.gstatic.com (measured with 1.67). Raises
        ValueError when the path is taken or unusable, or when nothing can fill a parameter.
        """
        _refuse_bare(path)

        def register(fn: Page) -> Page:
            wanted = plan(fn, page=path)
            record = self._registry.add(path, fn, title=title, icon=icon, tags=tags)
            self._plans[record.path] = wanted
            return fn

        return register

    def plan(self, page: PageRecord) -> Plan:
        """What the function of one of this application's pages is given."""
        return self._plans[page.path]


def _refuse_bare(path: object) -> None:
    # `@app.page` without brackets would register nothing and say nothing.
    if callable(path):
        name = getattr(path, "__name__", "f")
        msg = f"@app.page needs the path of the page, e.g. @app.page('/{name}')"
        raise TypeError(msg)


def _refuse_unknown(page_config: Mapping[str, object]) -> None:
    for name in page_config:
        if name not in PAGE_CONFIG:
            near = difflib.get_close_matches(name, PAGE_CONFIG, n=1)
            hint = (
                f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(PAGE_CONFIG)}"
            )
            msg = f"streamlit_page_config has no {name!r}{hint}"
            raise ValueError(msg)

"""ApiClient: how a page calls the API of its own application.

Synchronous, because Streamlit runs pages in threads. It speaks to one base address only and never
through a proxy: with HTTP_PROXY set, httpx would send even loopback requests there.
"""

import os
from collections.abc import Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from threading import Lock
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel

from fluxlit.errors import ConfigError, Problem
from fluxlit.sidecar.variables import API_BASE

Model = TypeVar("Model", bound=BaseModel)


class ApiClient:
    """Calls paths below one base address, over pooled connections; safe to share between threads.

    ``base_url`` is taken from FLUXLIT_INTERNAL_API_BASE when left out, ``timeout`` is in seconds
    for each phase of a request. Raises ConfigError without a usable base address. Cookies that
    the API sets are not kept: one client serves the page runs of all users.
    """

    def __init__(
        self,
        base_url: str | None = None,
        *,
        timeout: float = 30.0,
        default_headers: Mapping[str, str] | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.base_url = _base(base_url)
        self._http = httpx.Client(
            base_url=self.base_url,
            timeout=timeout,
            headers=dict(default_headers or {}),
            trust_env=False,
            # A policy without any allowed domain stores nothing; cookies given with a request still go out.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            transport=transport,
        )

    def __repr__(self) -> str:
        return f"<ApiClient {self.base_url}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the pooled connections; the client cannot be used afterwards."""
        self._http.close()

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own
        """Send one request to ``path`` below the base address; ``options`` are those of ``httpx.Client.request``.

        Raises ValueError for a path that would leave the base address, httpx.HTTPError when no
        answer comes. An answer with an error status is returned, not raised.
        """
        return self._http.request(method, _relative(path), **options)

    def get(self, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401
        """Send a GET request; see ``request``."""
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401
        """Send a POST request; see ``request``."""
        return self.request("POST", path, **options)

    def put(self, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401
        """Send a PUT request; see ``request``."""
        return self.request("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401
        """Send a PATCH request; see ``request``."""
        return self.request("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401
        """Send a DELETE request; see ``request``."""
        return self.request("DELETE", path, **options)

    def get_model(self, path: str, model: type[Model], **options: Any) -> Model:  # noqa: ANN401
        """GET ``path`` and read the answer as ``model``; raises httpx.HTTPStatusError unless it is a success."""
        return _read(self.get(path, **options), model)

    def post_model(
        self,
        path: str,
        response_model: type[Model],
        *,
        body: BaseModel | Mapping[str, object] | None = None,
        **options: Any,  # noqa: ANN401
    ) -> Model:
        """POST ``body`` as JSON and read the answer as ``response_model``; raises as ``get_model`` does."""
        content = body.model_dump(mode="json") if isinstance(body, BaseModel) else body
        return _read(self.post(path, json=content, **options), response_model)


_shared: dict[str, ApiClient] = {}
_sharing = Lock()


def shared_client() -> ApiClient:
    """The process's one client for page runs, so that reruns and sessions reuse its connections.

    One for each base address ever seen in the environment, which outside tests is one.
    """
    base = _base(None)
    with _sharing:
        if base not in _shared:
            _shared[base] = ApiClient(base)
        return _shared[base]


def _base(given: str | None) -> str:
    base = given if given is not None else os.environ.get(API_BASE, "")
    parts = urlsplit(base)
    if parts.scheme in {"http", "https"} and parts.hostname:
        return base.rstrip("/")
    place = API_BASE if given is None else "base_url"
    hint = f"start the application with `fluxlit run`, or give base_url or {API_BASE}"
    raise ConfigError(
        Problem(place, repr(base) if base else "nothing", "the http address of the API", hint)
    )


def _relative(path: str) -> str:
    parts = urlsplit(path)
    if parts.scheme or parts.netloc or path.startswith(("//", "\\")):
        msg = f"{path!r} is not a path below the API; give e.g. '/items'"
        raise ValueError(msg)
    # httpx resolves dot segments, so a name a user typed could otherwise leave the API's prefix.
    if not {".", ".."}.isdisjoint(parts.path.split("/")):
        msg = f"{path!r} contains '.' or '..' as a part; quote what users typed"
        raise ValueError(msg)
    return path if path.startswith(("/", "?")) or not path else f"/{path}"


def _read(response: httpx.Response, model: type[Model]) -> Model:
    response.raise_for_status()
    return model.model_validate_json(response.content)

"""Which pages an application has: the records, and what a page's path may be.

A path that Streamlit or the gateway would never deliver is refused where it is written, with the
reason, instead of failing when a user opens it.
"""

import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

PageFunction = Callable[..., object]

HOME = "home"
"""The slug of the page at ``/``."""

_SEGMENT = re.compile(r"[A-Za-z0-9_-]+")

RESERVED: dict[str, str] = {
    "api": "the API",
    "docs": "the API's documentation",
    "redoc": "the API's documentation",
    "openapi.json": "the API's schema",
    "static": "Streamlit's own files",
    "media": "Streamlit's images and downloads",
    "component": "Streamlit's components",
    "_stcore": "Streamlit's own endpoints",
    "auth": "Streamlit's login",
    "oauth2callback": "Streamlit's login",
    "favicon.png": "Streamlit's own files",
    "manifest.json": "Streamlit's own files",
    "_fluxlit": "FluxLit's own endpoints",
    "__fluxlit": "FluxLit's own endpoints",
}
"""First path segments that never reach a page, and who answers there."""


@dataclass(frozen=True, slots=True)
class PageRecord:
    """One page as it was registered; ``description`` is the function's docstring."""

    path: str
    title: str
    fn: PageFunction
    tags: tuple[str, ...] = ()
    description: str = ""
    icon: str | None = None

    def __repr__(self) -> str:
        return f"<Page {self.path} {self.title!r}>"

    @property
    def slug(self) -> str:
        """The path without its slashes, ``home`` for ``/``: the page's name in addresses and lists."""
        return page_slug(self.path)

    @property
    def label(self) -> str:
        """The title as a person reads it: a title taken from ``sales_report`` reads "Sales report"."""
        if self.title != _name(self.fn):
            return self.title
        return self.title.strip("_").replace("_", " ").capitalize() or self.title


class Registry:
    """The pages of one application in the order of their registration."""

    def __init__(self) -> None:
        self._records: list[PageRecord] = []

    def __iter__(self) -> Iterator[PageRecord]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)

    def add(
        self,
        path: str,
        fn: PageFunction,
        *,
        title: str | None,
        icon: str | None,
        tags: Iterable[str],
    ) -> PageRecord:
        """Register ``fn`` under ``path``; ValueError when the path is unusable or its name is taken."""
        path = usable(path)
        record = PageRecord(
            path, title or _name(fn), fn, tuple(tags), inspect.getdoc(fn) or "", icon
        )
        for other in self._records:
            if record.slug.casefold() == other.slug.casefold():
                taken = (
                    f"its name {record.slug!r} is taken by page {other.path!r} ({_name(other.fn)})"
                )
                msg = f"page {path!r} ({_name(fn)}): {taken}"
                raise ValueError(msg)
        self._records.append(record)
        return record


def page_slug(path: str) -> str:
    """The name of the page at ``path``."""
    return path.strip("/") or HOME


def usable(path: str) -> str:
    """``path`` without a trailing slash; ValueError with the reason when no page can live there."""
    if not path.startswith("/"):
        msg = f"page {path!r}: a path begins with '/', e.g. {'/' + path!r}"
        raise ValueError(msg)
    name = path[1:] if path.endswith("//") else path[1:].removesuffix("/")
    reason = _refusal(name)
    if reason:
        msg = f"page {path!r}: {reason}"
        raise ValueError(msg)
    return f"/{name}"


def _refusal(name: str) -> str | None:
    owner = RESERVED.get(name.casefold().partition("/")[0])
    if owner is not None:
        return f"this path belongs to {owner}; choose another"
    if "/" in name:
        return "Streamlit serves pages on one level only (streamlit issue 8971); use e.g. " + repr(
            "/" + name.strip("/").replace("/", "-")
        )
    if name and not _SEGMENT.fullmatch(name):
        return "a path is made of letters a to z, digits, '-' and '_'; the title may be any text"
    return None


def _name(fn: PageFunction) -> str:
    return getattr(fn, "__name__", type(fn).__name__)

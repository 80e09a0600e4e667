"""Which paths a page may have, and what its record says."""

import re

import pytest

from fluxlit.pages.registry import PageRecord, Registry


def sales_report() -> None:
    """Show the sales."""


def add(registry: Registry, path: str) -> PageRecord:
    """Register a page with nothing but its path."""
    return registry.add(path, sales_report, title=None, icon=None, tags=())


@pytest.mark.parametrize(
    ("path", "kept", "slug"),
    [
        ("/", "/", "home"),
        ("/sales", "/sales", "sales"),
        ("/sales/", "/sales", "sales"),
        ("/Q1_2026-eu", "/Q1_2026-eu", "Q1_2026-eu"),
    ],
)
def test_usable_paths_and_their_slugs(path: str, kept: str, slug: str) -> None:
    """A trailing slash means the same page; the root is called home."""
    record = add(Registry(), path)
    assert (record.path, record.slug) == (kept, slug)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", "begins with '/'"),
        ("sales", "begins with '/', e.g. '/sales'"),
        ("/a/b", "one level only (streamlit issue 8971); use e.g. '/a-b'"),
        ("//", "one level only"),
        ("//evil", "one level only"),
        ("/a b", "letters"),
        ("/a?b=1", "letters"),
        ("/a#b", "letters"),
        ("/a.b", "letters"),
        ("/..", "letters"),
        ("/a%20b", "letters"),
        ("/a\n", "letters"),
        ("/übersicht", "letters"),
        ("/api", "belongs to the API"),
        ("/API", "belongs to the API"),
        ("/api/", "belongs to the API"),
        ("/api/items", "belongs to the API"),
        ("/docs", "belongs to the API's documentation"),
        ("/redoc", "belongs to the API's documentation"),
        ("/openapi.json", "belongs to the API's schema"),
        ("/static", "belongs to Streamlit's own files"),
        ("/media", "belongs to Streamlit's images"),
        ("/component", "belongs to Streamlit's components"),
        ("/_stcore", "belongs to Streamlit's own endpoints"),
        ("/_stcore/health", "belongs to Streamlit's own endpoints"),
        ("/auth", "belongs to Streamlit's login"),
        ("/oauth2callback", "belongs to Streamlit's login"),
        ("/_fluxlit", "belongs to FluxLit's own endpoints"),
    ],
)
def test_paths_that_would_never_reach_a_page_are_refused_with_the_reason(
    path: str, reason: str
) -> None:
    """Told where it is written, not when a user opens it."""
    with pytest.raises(ValueError, match=re.escape(f"page {path!r}: ") + ".*" + re.escape(reason)):
        add(Registry(), path)


@pytest.mark.parametrize(
    ("first", "second"), [("/a", "/a"), ("/a", "/a/"), ("/", "/home"), ("/a", "/A")]
)
def test_a_name_is_given_once(first: str, second: str) -> None:
    """Neither the path nor the slug may be taken twice; letter case does not tell pages apart."""
    registry = Registry()
    add(registry, first)
    with pytest.raises(ValueError, match="is taken by page"):
        add(registry, second)
    assert len(registry) == 1


def test_the_label_is_readable_and_a_given_title_is_left_alone() -> None:
    """The title of the record is the function's name; what users see is made from it."""
    registry = Registry()
    plain = add(registry, "/a")
    given = registry.add("/b", sales_report, title="Sales 2026", icon=None, tags=())
    assert (plain.title, plain.label) == ("sales_report", "Sales report")
    assert (given.title, given.label) == ("Sales 2026", "Sales 2026")
    assert repr(given) == "<Page /b 'Sales 2026'>"


def test_a_callable_without_a_name_takes_its_types() -> None:
    """An object with __call__ may be a page."""

    class Dashboard:
        def __call__(self) -> None: ...

    assert Registry().add("/d", Dashboard(), title=None, icon=None, tags=()).title == "Dashboard"

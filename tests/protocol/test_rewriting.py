"""Location and cookies of the sidecar, fitted to the public side."""

import pytest

from fluxlit.protocol.rewriting import Site, cookie, fit, location

UP = "127.0.0.1:40001"
ROOT = Site("http", "app.example.com")
MOUNTED = Site("https", "app.example.com", "/content/123")


@pytest.mark.parametrize(
    ("value", "site", "expected"),
    [
        ("/foo", ROOT, "/foo"),
        ("/foo", MOUNTED, "/content/123/foo"),
        ("/foo?a=/b#c", MOUNTED, "/content/123/foo?a=/b#c"),
        (f"http://{UP}/foo?x=1", MOUNTED, "/content/123/foo?x=1"),
        (f"http://{UP}", MOUNTED, "/content/123/"),
        (f"http://{UP}/foo", ROOT, "/foo"),
        ("http://app.example.com/foo", MOUNTED, "/content/123/foo"),
        ("http://APP.example.com/foo", ROOT, "/foo"),
        ("http://app.example.com/content/123/foo", MOUNTED, "/content/123/foo"),
        ("https://login.example.org/authorize?x=1", MOUNTED, None),
        ("//elsewhere.example/foo", MOUNTED, None),
        ("/\\elsewhere.example", MOUNTED, None),
        ("foo/bar", MOUNTED, None),
        ("?a=1", MOUNTED, None),
        ("mailto:x@example.com", MOUNTED, None),
        ("http://[::1/foo", MOUNTED, None),
    ],
)
def test_f60_location_leads_to_the_public_side(
    value: str, site: Site, expected: str | None
) -> None:
    """Places of the sidecar become paths below the mount; other places stay as they are."""
    assert location(value.encode(), site=site, upstream=UP).decode() == (expected or value)


@pytest.mark.parametrize(
    ("value", "site", "expected"),
    [
        ("_streamlit_user=x; HttpOnly; Path=/; SameSite=lax", ROOT, None),
        (
            "_streamlit_user=x; HttpOnly; Path=/; SameSite=lax",
            MOUNTED,
            "_streamlit_user=x; HttpOnly; Path=/content/123; SameSite=lax; Secure",
        ),
        (
            "_streamlit_session=x; path=/",
            MOUNTED,
            "_streamlit_session=x; Path=/content/123; Secure",
        ),
        ("_streamlit_xsrf=2|a|b; Path=/", MOUNTED, "_streamlit_xsrf=2|a|b; Path=/; Secure"),
        ("_streamlit_xsrf=2|a; Secure; Path=/", MOUNTED, None),
        ("_streamlit_user=; Path=/sub", MOUNTED, "_streamlit_user=; Path=/sub; Secure"),
        ("mine=1; Path=/", MOUNTED, None),
    ],
)
def test_cookies_of_the_sidecar_fit_the_public_side(
    value: str, site: Site, expected: str | None
) -> None:
    """Secure on https, Path at the mount save for the XSRF cookie; other cookies stay."""
    assert cookie(value.encode(), site=site).decode() == (expected or value)


def test_set_cookie_lines_are_never_folded() -> None:
    """Each Set-Cookie stays a field of its own, in order (RFC 6265 3)."""
    headers = [(b"set-cookie", b"a=1"), (b"x", b"y"), (b"set-cookie", b"b=2")]
    assert fit(headers, site=MOUNTED, upstream=UP) == headers

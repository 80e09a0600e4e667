"""Who may open a WebSocket or change something: the Origin x Host table."""

import pytest

from fluxlit.protocol.origin import Origins, judge, parse, upstream_host
from fluxlit.protocol.refusal import Refusal
from fluxlit.protocol.trust import Hop

NONE = Origins()
OTHERS = Origins.of("https://public.example/app", ["https://friend.example:8443"])


def hop(host: str, scheme: str = "http") -> Hop:
    """A hop that was asked for ``host``."""
    return Hop(("1.2.3.4", 5), scheme, host)


@pytest.mark.parametrize(
    ("origin", "host", "origins"),
    [
        ("http://app.example.com", "app.example.com", NONE),
        ("https://app.example.com", "app.example.com", NONE),
        ("https://app.example.com", "app.example.com:443", NONE),
        ("http://app.example.com:80", "app.example.com", NONE),
        ("https://APP.example.com", "app.example.com", NONE),
        ("http://localhost:8000", "localhost:8000", NONE),
        ("http://[::1]:8000", "[::1]:8000", NONE),
        ("https://public.example", "127.0.0.1:8000", OTHERS),
        ("https://friend.example:8443", "app.example.com", OTHERS),
    ],
)
def test_our_own_pages_may(origin: str, host: str, origins: Origins) -> None:
    """The sidecar is then shown a Host that equals the Origin letter by letter."""
    headers = [(b"origin", origin.encode())]
    judge(headers, hop(host), origins)
    assert upstream_host(headers, hop(host), origins).decode() == origin.partition("://")[2]


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://evil.example", "app.example.com"),
        ("http://localhost:1234", "app.example.com"),
        ("http://127.0.0.1:9", "app.example.com"),
        ("http://0.0.0.0", "app.example.com"),
        ("http://app.example.com.evil.example", "app.example.com"),
        ("http://app.example.com:8080", "app.example.com"),
        ("https://app.example.com", "app.example.com:80"),
        ("http://user@app.example.com", "app.example.com"),
        ("http://public.example", "app.example.com"),
        ("https://friend.example", "app.example.com"),
        ("null", "app.example.com"),
        ("", "app.example.com"),
        ("http://[", "app.example.com"),
        ("http://a:99999", "a"),
    ],
)
def test_f77_pages_of_others_may_not(origin: str, host: str) -> None:
    """403, and the operator is told which settings would allow it."""
    with pytest.raises(Refusal) as refusal:
        judge([(b"origin", origin.encode())], hop(host), OTHERS)
    assert refusal.value.status == 403
    assert "gateway.allowed_origins" in refusal.value.hint
    assert "gateway.public_base_url" in refusal.value.hint


def test_two_origins_are_none() -> None:
    """Which of them the sidecar would read is not ours to guess."""
    own = (b"origin", b"http://a")
    with pytest.raises(Refusal):
        judge([own, own], hop("a"), NONE)


def test_programs_send_no_origin() -> None:
    """They may, unless a browser says that it is another site's page."""
    judge([], hop("a"), NONE)
    judge([(b"sec-fetch-site", b"same-origin")], hop("a"), NONE)
    with pytest.raises(Refusal):
        judge([(b"sec-fetch-site", b"cross-site")], hop("a"), NONE)


@pytest.mark.parametrize(
    ("host", "scheme", "expected"),
    [
        ("app.example.com:443", "https", b"app.example.com"),
        ("app.example.com:80", "http", b"app.example.com"),
        ("app.example.com:8443", "https", b"app.example.com:8443"),
        ("app.example.com", "https", b"app.example.com"),
    ],
)
def test_f13_host_loses_its_default_port(host: str, scheme: str, expected: bytes) -> None:
    """Streamlit takes :443 for another host than none (measured: 403)."""
    assert upstream_host([], hop(host, scheme), NONE) == expected


def test_a_foreign_origin_never_becomes_host() -> None:
    """A cross-origin GET passes, with the public host."""
    assert upstream_host([(b"origin", b"https://evil.example")], hop("a"), NONE) == b"a"


def test_an_origin_is_cut_from_a_url() -> None:
    """public_base_url may have a path."""
    assert parse("https://Public.example/app") == ("https", "public.example", "443")
    assert parse("ftp://x") is None

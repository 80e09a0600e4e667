"""Prefixes, networks, origins and URLs."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxlit.config import addresses
from fluxlit.config.invalid import InvalidValue


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("/", ""),
        ("myapp", "/myapp"),
        ("/myapp/", "/myapp"),
        ("/content/123", "/content/123"),
        ("/s/0a1b~c/p/d-e_f.g/", "/s/0a1b~c/p/d-e_f.g"),
        ("/a:b/@c", "/a:b/@c"),
    ],
)
def test_prefixes(text: str, expected: str) -> None:
    """The leading slash is added, the last one removed, and nothing else changed."""
    assert addresses.path_prefix(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("//evil.com", "host"),
        ("/a//b", "host"),
        ("/a//", "host"),
        ("https://h/x", "scheme"),
        ("https:/x", "scheme"),
        ("h:8000/x", "scheme"),
        ("/a?b=c", "query"),
        ("/a#b", "fragment"),
        ("/../x", "dot"),
        ("/a/./b", "dot"),
        ("/a/..", "dot"),
        ("..", "dot"),
        ("/my app", "spaces"),
        (" /a", "spaces"),
        ("/ünï", "ASCII"),
        ("/a\tb", "control"),
        ("/a\x00", "control"),
        ("/a\r\nX: y", "spaces"),
        ("/a\\b", "backslash"),
        ("/a%20b", "percent"),
        ("/a;b", "cookies"),
        ('/a"b', "letters"),
        ("/<a>", "letters"),
        ("/{a}", "letters"),
    ],
)
def test_bad_prefixes(text: str, reason: str) -> None:
    """Each refused prefix is refused with its reason."""
    with pytest.raises(InvalidValue) as caught:
        addresses.path_prefix(text)
    assert reason in caught.value.hint


@given(st.text(string.printable + "üß", max_size=20))
def test_prefixes_are_normal(text: str) -> None:
    """What is accepted is normal: reading it again changes nothing, and its form is /a/b."""
    try:
        prefix = addresses.path_prefix(text)
    except InvalidValue:
        return
    assert addresses.path_prefix(prefix) == prefix
    assert prefix == "" or (prefix.startswith("/") and not prefix.endswith("/"))
    assert not set(prefix) & set(' ?#%\\;\r\n"<>')
    assert not {"", ".", ".."} & set(prefix.split("/")[1:])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("*", "*"),
        ("10.0.0.1", "10.0.0.1"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("FE80::0/10", "fe80::/10"),
    ],
)
def test_networks(text: str, expected: str) -> None:
    """Addresses, CIDRs and the star are taken, in one spelling."""
    assert addresses.network(text) == expected


@pytest.mark.parametrize("text", ["", "localhost", "10.0.0", "10.0.0.0/33", "**", "1.2.3.4:80"])
def test_bad_networks(text: str) -> None:
    """Names and half addresses are refused."""
    with pytest.raises(InvalidValue, match="IP address"):
        addresses.network(text)


def test_host_bits_name_the_network() -> None:
    """An address with a mask is answered with the network that was meant."""
    with pytest.raises(InvalidValue) as caught:
        addresses.network("10.0.0.1/8")
    assert caught.value.hint == "did you mean 10.0.0.0/8?"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://App.Example.com", "https://app.example.com"),
        ("https://app.example.com:443/", "https://app.example.com"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://[::1]:80", "http://[::1]"),
    ],
)
def test_origins(text: str, expected: str) -> None:
    """Origins are compared byte by byte later, so they get the spelling browsers send."""
    assert addresses.origin(text) == expected


@pytest.mark.parametrize(
    "text",
    ["*", "app.example.com", "ftp://a", "https://", "https://a/b", "https://u@a", "https://a?b", "https://ä.de",
     "https://a:99999", "https://[::1", "https://*.a.com"],
)  # fmt: skip
def test_bad_origins(text: str) -> None:
    """Patterns, paths and what else is no origin are refused."""
    with pytest.raises(InvalidValue, match="origin"):
        addresses.origin(text)


def test_urls() -> None:
    """A public address may have a path and may be missing."""
    assert addresses.url("") == ""
    assert addresses.url("https://Example.com/a/") == "https://example.com/a"
    with pytest.raises(InvalidValue):
        addresses.url("https://example.com/a?b")
    with pytest.raises(InvalidValue):
        addresses.url("example.com")

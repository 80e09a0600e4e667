"""Paths: one reading of each, with the mount taken off."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxlit.protocol.mount import MAX_TARGET, Path, check, locate, origin_form
from fluxlit.protocol.refusal import Refusal


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"/", "/"),
        (b"/a/b/", "/a/b/"),
        (b"/item/%E2%82%AC", "/item/€"),
        (b"/a%2Fb", "/a/b"),
        (b"/a%25b%3Fc%23d", "/a%b?c#d"),
        (b"/a%252e%252e/b", "/a%2e%2e/b"),
        (b"/...", "/..."),
        (b"/a;b=c,d:@!$&'()*+=~", "/a;b=c,d:@!$&'()*+=~"),
    ],
)
def test_f61_f64_a_legal_path_is_decoded_once(raw: bytes, text: str) -> None:
    """Encoded slashes, percents, question marks and any UTF-8 pass."""
    assert check(raw) == text


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"a",
        b"*",
        b"//a",
        b"/a//b",
        b"/a#b",
        b"/a?b",
        b"/a b",
        b"/\xc3\xa9",
        b"/a%",
        b"/a%2",
        b"/a%zz",
        b"/%00",
        b"/%0d%0ax",
        b"/%1f",
        b"/%7F",
        b"/a\\b",
        b"/a%5Cb",
        b"/%ff",
        b"/.",
        b"/..",
        b"/a/../b",
        b"/a/%2e%2E/b",
        b"/a/.%2e",
        b"/a%2f..%2fb",
    ],
)
def test_f62_f63_a_path_of_two_readings_is_refused(raw: bytes) -> None:
    """Dot segments, empty segments, control characters and broken escapes: 400, never 500."""
    with pytest.raises(Refusal) as refusal:
        check(raw)
    assert refusal.value.status == 400


def test_a_long_target_is_refused() -> None:
    """414, query included."""
    with pytest.raises(Refusal) as refusal:
        check(b"/", b"a" * MAX_TARGET)
    assert refusal.value.status == 414


@given(st.binary(max_size=30))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    """Nothing but a Refusal is ever raised, and what passes holds no control character."""
    try:
        text = check(b"/" + raw)
    except Refusal:
        return
    assert text.isprintable() or any(ord(character) > 0x7F for character in text)
    assert "\\" not in text


@pytest.mark.parametrize(
    ("raw", "root_path", "prefix", "expected"),
    [
        (b"/x", "", "", Path(b"/x", "/x", "")),
        (b"/content/123/x", "/content/123", "", Path(b"/x", "/x", "/content/123")),
        (b"/x", "/content/123", "", Path(b"/x", "/x", "/content/123")),
        (b"/content/123/", "/content/123", "", Path(b"/", "/", "/content/123")),
        (b"/content/123", "/content/123", "", Path(b"/", "/", "/content/123", bare=True)),
        (
            b"/content/1234",
            "/content/123",
            "",
            Path(b"/content/1234", "/content/1234", "/content/123"),
        ),
        (
            b"/content%2F123/x",
            "/content/123",
            "",
            Path(b"/content%2F123/x", "/content/123/x", "/content/123"),
        ),
        (b"/m/%E2%82%AC", "/m", "", Path(b"/%E2%82%AC", "/€", "/m")),
        (b"/x", "", "/p", Path(b"/x", "/x", "/p")),
        (b"/p/x", "", "/p", Path(b"/x", "/x", "/p")),
        (b"/m/x", "/m", "/p", Path(b"/x", "/x", "/p/m")),
        (b"/m/x", "/m", "/m", Path(b"/x", "/x", "/m")),
        (b"/x", "/m", "/p", Path(b"/x", "/x", "/p")),
    ],
)
def test_the_mount_is_stripped_or_absent(
    raw: bytes, root_path: str, prefix: str, expected: Path
) -> None:
    """Proxies that strip it and proxies that keep it give the same path."""
    assert locate(raw, check(raw), root_path=root_path, prefix=prefix) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"/p", b"/p"),
        (b"http://App.example.com/p", b"/p"),
        (b"http://app.example.com:80/p", b"/p"),
        (b"https://app.example.com:443/p", b"/p"),
        (b"http://app.example.com", b"/"),
    ],
)
def test_absolute_form_becomes_origin_form(raw: bytes, expected: bytes) -> None:
    """RFC 9112 3.2.2: a server must accept it; the authority equals Host."""
    assert origin_form(raw, "app.example.com") == expected


@pytest.mark.parametrize(
    ("raw", "status"), [(b"http://evil/p", 421), (b"ftp://app.example.com/p", 400)]
)
def test_absolute_form_of_others_is_refused(raw: bytes, status: int) -> None:
    """Another host is misdirected, another scheme malformed."""
    with pytest.raises(Refusal) as refusal:
        origin_form(raw, "app.example.com")
    assert refusal.value.status == status

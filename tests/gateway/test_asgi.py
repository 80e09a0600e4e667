"""What is read of an ASGI scope."""

from fluxlit.gateway.asgi import raw_path


def test_the_raw_path_is_the_bytes_that_came() -> None:
    """Escapes as the client sent them, not as the server decoded them."""
    assert raw_path({"raw_path": b"/a%2Fb", "path": "/a/b"}) == b"/a%2Fb"


def test_a_server_that_keeps_no_raw_path_is_read_by_its_path() -> None:
    """The optional key may be missing or None (ASGI 3)."""
    assert raw_path({"raw_path": None, "path": "/é"}) == "/é".encode()
    assert raw_path({"path": "/x"}) == b"/x"

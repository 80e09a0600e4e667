"""What request heads are let through."""

import h11
import pytest

from fluxlit.gateway.server.head import Kind, examine

HOST = (b"host", b"a")
UPGRADE = [HOST, (b"connection", b"keep-alive, Upgrade"), (b"upgrade", b"websocket")]


def head(
    *fields: tuple[bytes, bytes], method: bytes = b"GET", version: bytes = b"1.1"
) -> h11.Request:
    """A request with these fields."""
    return h11.Request(
        method=method, target=b"/", headers=list(fields) or [HOST], http_version=version
    )


@pytest.mark.parametrize(
    ("request_head", "verdict"),
    [
        pytest.param(head(), Kind.EXCHANGE, id="plain"),
        pytest.param(head(HOST, (b"x", b"a\tb\xff")), Kind.EXCHANGE, id="tab and 8-bit"),
        pytest.param(head(*UPGRADE), Kind.WEBSOCKET, id="websocket"),
        pytest.param(
            head(HOST, (b"upgrade", b"websocket")), Kind.EXCHANGE, id="no connection token"
        ),
        pytest.param(head(HOST, (b"upgrade", b"h2c"), UPGRADE[1]), Kind.EXCHANGE, id="h2c"),
        pytest.param(head(*UPGRADE, (b"content-length", b"0")), 400, id="upgrade with a body"),
        pytest.param(head(*UPGRADE, method=b"POST"), 400, id="upgrade by POST"),
        pytest.param(head(version=b"9.9"), 505, id="version"),
        pytest.param(head(method=b"CONNECT"), 501, id="CONNECT"),
        pytest.param(head(HOST, *[(b"x", b"")] * 127), Kind.EXCHANGE, id="128 fields"),
        pytest.param(head(HOST, *[(b"x", b"")] * 128), 431, id="129 fields"),
        pytest.param(
            head(HOST, (b"cookie", bytes([65]) * 60_000)), Kind.EXCHANGE, id="large cookie"
        ),
        pytest.param(head(HOST, (b"cookie", bytes([65]) * 66_000)), 431, id="too large"),
    ],
)
def test_examine(request_head: h11.Request, verdict: Kind | int) -> None:
    """Each head gets its kind or the status it is refused with."""
    assert examine(request_head) == verdict

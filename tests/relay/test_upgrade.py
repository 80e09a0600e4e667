"""The opening handshake over a scripted stream."""

import anyio
import pytest

from fluxlit.errors import UpstreamClosed, UpstreamProtocolError, UpstreamTimeout
from fluxlit.protocol.exchange import RequestHead
from fluxlit.relay.upgrade import HandshakeRefused, upgrade
from tests.doubles.streams import Fault, ScriptedStream, Step

pytestmark = pytest.mark.autojump

HEAD = RequestHead(b"GET", b"/_stcore/stream", [(b"host", b"a")])
NONCE = b"the sample nonce"
SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
    b"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)


async def test_agreement() -> None:
    """The request goes out, and what came behind the 101 is kept."""
    stream = ScriptedStream(SWITCH[:50], 1.0, SWITCH[50:] + b"frame")
    accepted = await upgrade(stream, HEAD, NONCE, 5)
    assert (accepted.subprotocol, accepted.leftover) == (None, b"frame")
    assert b"sec-websocket-version: 13\r\n" in stream.sent


async def test_refusal() -> None:
    """Another answer is raised with its status and body."""
    stream = ScriptedStream(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\n", b"no")
    with pytest.raises(HandshakeRefused, match="403") as caught:
        await upgrade(stream, HEAD, NONCE, 5)
    assert (caught.value.head.status, caught.value.body) == (403, b"no")


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ([Fault.END], UpstreamClosed),
        ([Fault.RESET], UpstreamClosed),
        ([SWITCH.replace(b"s3p", b"xxx")], UpstreamProtocolError),
        ([], UpstreamTimeout),
        ([b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\n"], UpstreamTimeout),
    ],
)
async def test_failure(script: list[Step], error: type[Exception]) -> None:
    """An end, a lie and silence each have their error; silence ends after the given time."""
    start = anyio.current_time()
    with pytest.raises(error):
        await upgrade(ScriptedStream(*script), HEAD, NONCE, 5)
    assert anyio.current_time() - start == pytest.approx(5 if error is UpstreamTimeout else 0)

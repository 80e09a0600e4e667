"""WebSocket frames."""

import pytest
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection
from wsproto.frame_protocol import Opcode

from fluxlit.gateway.server.frames import ServerConnection, message_head
from tests.gateway.server.served import frame


@pytest.mark.parametrize("length", [0, 125, 126, 65_535, 65_536, 100_000])
def test_head_is_what_wsproto_reads(length: int) -> None:
    """A client takes head and payload as one message, at every form of the length."""
    client = Connection(ConnectionType.CLIENT)
    client.receive_data(message_head(Opcode.BINARY, length) + bytes(length))
    (event,) = client.events()
    assert isinstance(event, BytesMessage)
    assert (len(event.data), event.message_finished) == (length, True)


@pytest.mark.parametrize(("size", "code"), [(1024, None), (1025, 1009)])
def test_limit(size: int, code: int | None) -> None:
    """A message of the limit passes, one byte more is 1009."""
    server = ServerConnection(1024)
    server.receive_data(frame(0x82, bytes(size)))
    codes = [event.code for event in server.events() if isinstance(event, CloseConnection)]
    assert codes == ([] if code is None else [code])


def test_limit_counts_each_message_anew() -> None:
    """Many messages below the limit, with control frames between, all pass."""
    server = ServerConnection(1024)
    server.receive_data((frame(0x82, bytes(1000)) + frame(0x8A)) * 5)
    assert not [event for event in server.events() if isinstance(event, CloseConnection)]

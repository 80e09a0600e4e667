"""Request ids and the count of what was sent."""

from email.utils import parsedate_to_datetime

import pytest

from fluxlit.gateway.access import CLIENT_LEFT, Exchange, request_id
from tests.doubles.asgi import Talk, scope_of

pytestmark = pytest.mark.autojump


def test_several_request_ids_are_none() -> None:
    """Which of them was meant is unknown."""
    one = (b"x-request-id", b"a")
    assert request_id([one]) == b"a"
    made = request_id([one, one])
    assert len(made) == 32
    assert made != request_id([one, one])


async def test_everything_sent_is_counted_and_headed() -> None:
    """Status and bytes are the client's; Date is a date."""
    talk = Talk()
    exchange = Exchange(scope_of("http", "/"), talk.send)
    assert not exchange.started
    await exchange.send({"type": "http.response.start", "status": 201, "headers": []})
    await exchange.send({"type": "http.response.body", "body": b"abc", "more_body": True})
    await exchange.send({"type": "http.response.body", "body": b"de"})
    assert (exchange.status, exchange.sent) == (201, 5)
    assert parsedate_to_datetime(talk.headers["date"]).tzinfo is not None
    exchange.left()
    assert exchange.status == 201
    talk.close()


async def test_a_websocket_has_a_status_and_a_close_code() -> None:
    """101 when accepted; the code that ended it."""
    talk = Talk()
    exchange = Exchange(scope_of("websocket", "/"), talk.send)
    await exchange.send({"type": "websocket.accept"})
    await exchange.send({"type": "websocket.send", "text": "abc"})
    await exchange.send({"type": "websocket.close", "code": 1012})
    assert (exchange.status, exchange.sent, exchange.close_code) == (101, 3, 1012)
    talk.close()


async def test_a_client_that_left_has_a_status_for_the_log() -> None:
    """Nothing was sent."""

    async def send(_message: object) -> None:
        raise AssertionError

    exchange = Exchange(scope_of("http", "/"), send)
    exchange.left()
    assert exchange.status == CLIENT_LEFT

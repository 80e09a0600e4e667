"""One HTTP exchange: what an application may send and when."""

import anyio
import pytest

from fluxlit.gateway.asgi import Receive, Scope, Send
from fluxlit.gateway.server.exchange import check_status
from tests.gateway.server.served import Application, serving


@pytest.mark.parametrize("status", [100, 103, 199, 600, 0])
def test_status_that_is_no_answer(status: int) -> None:
    """Informational and unknown statuses are the application's error."""
    with pytest.raises(ValueError, match=str(status)):
        check_status(status)


async def test_sending_after_the_client_left_is_quiet_and_lets_others_run() -> None:
    """An application that never listens can be cancelled and does not stop the loop."""

    async def deaf(_: Scope, receive: Receive, send: Send, app: Application) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        with anyio.move_on_after(0.1):
            while True:
                await send({"type": "http.response.body", "body": b"x", "more_body": True})

    async with serving({"/": deaf}) as served:
        async with await served.connect() as client:
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await client.until(b"\r\n\r\n")
        await served.quiet()

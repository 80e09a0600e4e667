"""What an API raises stays in its exchange."""

import sys

import anyio
import pytest

from fluxlit.gateway.asgi import ASGIApp, Receive, Scope, Send
from fluxlit.gateway.contained import ApiLeft, contained
from tests.doubles.asgi import ask
from tests.gateway.support import gateway_of

pytestmark = pytest.mark.autojump


def raising(error: BaseException) -> ASGIApp:
    """An application that raises ``error``."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    return app


async def _receive() -> dict[str, object]:
    return {"type": "http.disconnect"}


async def _send(message: object) -> None:
    return None


async def _serve(app: ASGIApp) -> None:
    await contained(app, {"type": "http"}, _receive, _send)


@pytest.mark.parametrize(
    "error",
    [
        SystemExit(3),
        KeyboardInterrupt(),
        BaseExceptionGroup("tasks", [ValueError(), SystemExit(1)]),
    ],
)
async def test_an_api_cannot_end_the_daemon(error: BaseException) -> None:
    """It is an exception like others from here on, with the cause for the log."""
    with pytest.raises(ApiLeft) as caught:
        await _serve(raising(error))
    assert caught.value.__cause__ is error


async def test_sys_exit_in_a_handler_is_a_500() -> None:
    """Measured before: the whole daemon ended with status 1."""

    async def leaving(scope: Scope, receive: Receive, send: Send) -> None:
        sys.exit("no configuration")

    talk = await ask(gateway_of(api=leaving), "/api/x")
    assert talk.status == 500
    assert b"no configuration" not in talk.body


async def test_exceptions_pass_as_they_are() -> None:
    """So that the log shows the user's own."""
    with pytest.raises(ValueError, match="mine"):
        await _serve(raising(ValueError("mine")))
    with pytest.raises(ExceptionGroup):
        await _serve(raising(ExceptionGroup("tasks", [ValueError()])))


async def test_our_cancellation_passes() -> None:
    """A client that leaves, a drain that is over: nothing to report."""

    async def waiting(scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.sleep_forever()

    with anyio.move_on_after(1) as scope:
        await _serve(waiting)
    assert scope.cancelled_caught


async def test_a_foreign_cancellation_is_an_error() -> None:
    """An API that awaits a cancelled task of its own left its client without an answer."""
    kept: list[BaseException] = []
    with anyio.CancelScope() as theirs:
        theirs.cancel()
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class() as error:
            kept.append(error)
            raise
    with pytest.raises(ApiLeft):
        await _serve(raising(kept[0]))

"""The pieces of the daemon that can be tried without starting it; tests/system tries the whole."""

import anyio
import pytest

from fluxlit.errors import ImpossibleEventError
from fluxlit.gateway.asgi import Message, Receive, Scope, Send
from fluxlit.supervisor.run import _Gate, _sole, own_address


@pytest.mark.parametrize(
    ("bound", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://[::1]:80"),
        ("::1", "http://[::1]:80"),
        ("10.1.2.3", "http://10.1.2.3:80"),
    ],
)
def test_pages_reach_the_api_by_an_address_of_this_machine(bound: str, url: str) -> None:
    """A wildcard cannot be connected to on every system; loopback can."""
    assert own_address(bound, 80) == url


async def test_requests_wait_for_the_apis_startup() -> None:
    """The port is open before the API has started: nobody is refused, nobody is served early."""
    gate, seen = _Gate(), list[str]()

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(scope["path"])

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(_message: Message) -> None:
        return

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(gate, {"type": "http", "path": "/early"}, receive, send)
        await anyio.wait_all_tasks_blocked()
        assert seen == []
        gate.open(app)
    await gate({"type": "http", "path": "/late"}, receive, send)
    assert seen == ["/early", "/late"]


def test_what_is_alone_in_groups_is_told_as_itself() -> None:
    """Task groups wrap what passes them; two failures at once stay a group."""
    error = ImpossibleEventError("x")
    assert _sole(BaseExceptionGroup("a", [ExceptionGroup("b", [error])])) is error
    both = ExceptionGroup("a", [ValueError(), error])
    assert _sole(both) is both

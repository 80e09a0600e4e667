"""Messages from the reader to the relay, with a bound."""

import anyio
import pytest

from fluxlit.protocol.closing import Closed, Message
from fluxlit.relay.inbox import Inbox

pytestmark = pytest.mark.autojump
END = Closed(1000, "bye", clean=True)


async def fill(inbox: Inbox, messages: list[Message], done: list[Message]) -> None:
    """Put messages, noting those that found room."""
    for message in messages:
        await inbox.put(message)
        done.append(message)


async def test_order_and_end() -> None:
    """Messages come in order, then the end, for ever."""
    inbox = Inbox(10)
    await inbox.put(Message("a"))
    await inbox.put(Message(b"b"))
    inbox.close(END)
    taken = [await inbox.take() for _ in range(4)]
    assert taken == [Message("a"), Message(b"b"), END, END]


@pytest.mark.parametrize(("sizes", "fit"), [([4, 4, 4], 2), ([100, 1], 1), ([0, 10, 1], 2)])
async def test_the_bound(sizes: list[int], fit: int) -> None:
    """One message of any size, or several within the room; the next waits until one is taken."""
    inbox, done = Inbox(10), list[Message]()
    messages = [Message("x" * size) for size in sizes]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fill, inbox, messages, done)
        await anyio.wait_all_tasks_blocked()
        assert len(done) == fit
        assert [await inbox.take() for _ in messages] == messages


async def test_a_taker_waits() -> None:
    """Taking from an empty inbox waits for a message or the end."""
    inbox, taken = Inbox(10), list[Message | Closed]()

    async def take() -> None:
        taken.extend([await inbox.take(), await inbox.take()])

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(take)
        await anyio.wait_all_tasks_blocked()
        await inbox.put(Message("late"))
        await anyio.wait_all_tasks_blocked()
        inbox.close(END)
    assert taken == [Message("late"), END]


async def test_dropping_frees_the_reader() -> None:
    """Once nobody wants messages, whoever puts one goes on, and only the end is left."""
    inbox, done = Inbox(1), list[Message]()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fill, inbox, [Message("aa"), Message("bb"), Message("cc")], done)
        await anyio.wait_all_tasks_blocked()
        inbox.drop()
    inbox.close(END)
    assert (len(done), await inbox.take()) == (3, END)

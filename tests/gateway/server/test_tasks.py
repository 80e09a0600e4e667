"""The application's queue and the containment of errors."""

from typing import Any

import anyio
import pytest
from structlog.testing import capture_logs

from fluxlit.gateway.server.limits import QUEUED_BYTES, QUEUED_MESSAGES
from fluxlit.gateway.server.tasks import AppQueue, contained

BODY = {"type": "http.request", "body": b"x", "more_body": True}
GONE = {"type": "http.disconnect"}


async def fill(queue: AppQueue) -> int:
    """Put until the queue makes us wait; how many it took."""
    count = 0
    with anyio.move_on_after(1):
        while True:
            await queue.put(BODY)
            count += 1
            await anyio.lowlevel.checkpoint()
    return count


@pytest.mark.autojump
async def test_queue_holds_so_many_messages() -> None:
    """The client waits once so many messages are unread."""
    assert await fill(AppQueue()) == QUEUED_MESSAGES


@pytest.mark.autojump
async def test_one_large_message_fills_the_queue() -> None:
    """Bytes count too: after one message of the limit the next waits."""
    queue = AppQueue()
    await queue.put({**BODY, "body": bytes(QUEUED_BYTES)})
    assert await fill(queue) == 0


@pytest.mark.autojump
async def test_disconnect_never_waits_and_frees_who_does() -> None:
    """A full queue takes a disconnect at once; the waiting message is dropped."""
    queue = AppQueue()
    await fill(queue)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(queue.put, BODY)
        await anyio.sleep(1)
        with anyio.fail_after(1):
            await queue.put(GONE)


@pytest.mark.autojump
async def test_disconnect_comes_after_what_was_sent_and_then_always() -> None:
    """Messages first, then the disconnect on every further receive; the first disconnect counts."""
    queue = AppQueue()
    await queue.put(BODY)
    await queue.put(GONE)
    await queue.put({**GONE, "late": True})
    assert [await queue.get() for _ in range(3)] == [BODY, GONE, GONE]


@pytest.mark.autojump
async def test_closed_queue_takes_anything() -> None:
    """When the application has ended, the rest of its request is dropped."""
    queue = AppQueue()
    queue.close()
    with anyio.fail_after(1):
        for _ in range(100):
            await queue.put(BODY)


async def test_errors_are_logged_once_and_end() -> None:
    """An error and a group of errors are one line each."""

    async def fail(error: BaseException) -> None:
        raise error

    with capture_logs() as logs:
        await contained(fail(ValueError("a")), "x.failed")
        await contained(fail(ExceptionGroup("g", [ValueError("b")])), "x.failed")
    assert [line["event"] for line in logs] == ["x.failed", "x.failed"]


async def test_interrupt_passes_out_of_a_group() -> None:
    """Errors beside an interrupt are logged, the interrupt goes on."""
    mixed = BaseExceptionGroup("g", [ValueError("b"), KeyboardInterrupt()])

    async def fail() -> None:
        raise mixed

    with capture_logs() as logs, pytest.raises(BaseExceptionGroup) as caught:
        await contained(fail(), "x.failed")
    assert caught.group_contains(KeyboardInterrupt)
    assert not caught.group_contains(ValueError)
    assert len(logs) == 1


async def test_cancellation_passes() -> None:
    """A cancelled scope around contained work is left at once and nothing is logged."""
    done: list[Any] = []
    with capture_logs() as logs, anyio.CancelScope() as scope:
        scope.cancel()
        await contained(anyio.sleep_forever(), "x.failed")
        done.append(1)
    assert (done, logs) == ([], [])


@pytest.mark.autojump
async def test_a_taker_is_asked_first_unless_something_waits() -> None:
    """Order is kept: what was queued is received before anything is offered again."""
    queue, offered, willing = AppQueue(), list[Any](), [True, False, True]

    def take(message: Any) -> bool:
        offered.append(message["body"])
        return willing.pop(0)

    queue.take(take)
    for body in (b"a", b"b", b"c"):
        await queue.put({**BODY, "body": body})
    assert offered == [b"a", b"b"]
    assert [(await queue.get())["body"], (await queue.get())["body"]] == [b"b", b"c"]
    await queue.put({**BODY, "body": b"d"})
    assert offered == [b"a", b"b", b"d"]


@pytest.mark.autojump
async def test_whoever_watches_is_called_once() -> None:
    """At the first disconnect; at once if that has come already."""
    queue, calls = AppQueue(), list[str]()
    queue.watch(lambda: calls.append("early"))
    await queue.put(GONE)
    await queue.put(GONE)
    queue.watch(lambda: calls.append("late"))
    assert calls == ["early", "late"]

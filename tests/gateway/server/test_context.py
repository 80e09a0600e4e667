"""Flags that can be lowered again."""

import anyio
import pytest

from fluxlit.gateway.server.context import Flag


@pytest.mark.autojump
async def test_waiting_ends_when_raised() -> None:
    """Who waits goes on once the flag is up, and a later wait returns at once."""
    flag = Flag()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(flag.wait)
        await anyio.sleep(1)
        await flag.set()
    with anyio.fail_after(1):
        await flag.wait()
    assert flag.is_set()


@pytest.mark.autojump
async def test_lowered_flag_makes_wait_again() -> None:
    """After down() the next wait waits."""
    flag = Flag()
    flag.up()
    await flag.clear()
    with anyio.move_on_after(1) as scope:
        await flag.wait()
    assert scope.cancelled_caught


@pytest.mark.autojump
async def test_who_was_woken_goes_on_even_if_it_is_lowered_at_once() -> None:
    """up() directly followed by down() still frees those who waited."""
    flag = Flag()
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(flag.wait)
            await anyio.sleep(1)
            flag.up()
            flag.down()

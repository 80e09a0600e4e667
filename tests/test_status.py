"""StatusBoard: publish, wait, count."""

import anyio

from fluxlit.status import DaemonPhase, Snapshot, StatusBoard


async def test_a_waiter_wakes_when_its_wish_is_published() -> None:
    """wait_for returns the first Snapshot that satisfies it, not one before."""
    board = StatusBoard()
    seen: list[DaemonPhase] = []

    async def wait() -> None:
        seen.append((await board.wait_for(lambda s: s.daemon is DaemonPhase.READY)).daemon)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        board.publish(Snapshot(daemon=DaemonPhase.STARTING))
        await anyio.wait_all_tasks_blocked()
        assert seen == []
        board.amend(daemon=DaemonPhase.READY)
    assert seen == [DaemonPhase.READY]


async def test_the_last_exchange_to_end_wakes_the_drain() -> None:
    """changed() returns when nothing is in flight any more."""
    board = StatusBoard()
    async with anyio.create_task_group() as tasks:
        with board.request("i1"), board.session("i1"):
            tasks.start_soon(board.changed)
            await anyio.wait_all_tasks_blocked()
            assert (board.total.requests, board.total.sessions) == (1, 1)
    assert (board.total.requests, board.total.sessions) == (0, 0)

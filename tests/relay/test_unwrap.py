"""The error behind a task group."""

import anyio
import pytest

from fluxlit.relay.unwrap import sole


async def test_the_first_error_however_deep() -> None:
    """Groups inside groups are opened, the first error wins."""
    error = ValueError("first")
    group = ExceptionGroup("", [ExceptionGroup("", [error]), KeyError("second")])
    assert sole(group) is error


async def test_a_cancellation_is_not_the_error() -> None:
    """What was cancelled because of an error does not hide it; alone it stays a group."""
    with anyio.CancelScope() as scope:
        scope.cancel()
        with pytest.raises(anyio.get_cancelled_exc_class()) as caught:
            await anyio.sleep(1)
        error = KeyError("cause")
        alone = BaseExceptionGroup("", [caught.value])
        assert sole(BaseExceptionGroup("", [caught.value, error])) is error
        assert sole(alone) is alone
        raise caught.value


async def test_a_task_group_with_one_error() -> None:
    """The form in which task groups of both backends report it."""
    with pytest.raises(KeyError):  # noqa: PT012
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(anyio.sleep, 60)
                raise KeyError("x")
        except BaseExceptionGroup as group:
            raise sole(group)  # noqa: B904

"""The error behind a task group: those who call the relay catch errors by type, not in groups."""

from collections.abc import Iterator
from typing import cast

from anyio import get_cancelled_exc_class


def sole(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error in ``group`` that is not a cancellation; the group itself if there is none.

    A task group of the relay has one task that can fail and one caller: whichever failed first has
    cancelled the other. What is left out stays visible as the context of the error.
    """
    cancelled = get_cancelled_exc_class()
    return next((error for error in _leaves(group) if not isinstance(error, cancelled)), group)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if not isinstance(error, BaseExceptionGroup):
        yield error
        return
    for part in cast("BaseExceptionGroup[BaseException]", error).exceptions:
        yield from _leaves(part)

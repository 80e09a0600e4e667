"""Which instance of a service gets the next request; pure."""

from collections.abc import Callable, Sequence

from fluxlit.status import InstanceStatus


def choose(
    ready: Sequence[InstanceStatus], sessions: Callable[[str], int]
) -> InstanceStatus | None:
    """The ready instance of the newest generation with the fewest sessions; None if there is none."""
    if not ready:
        return None
    newest = max(instance.generation for instance in ready)
    live = [instance for instance in ready if instance.generation == newest]
    return min(live, key=lambda instance: (sessions(instance.id), instance.slot))

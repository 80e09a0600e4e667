"""Which instance is chosen."""

from fluxlit.protocol.affinity import choose
from fluxlit.status import Endpoint, InstancePhase, InstanceStatus


def instance(name: str, slot: int = 0, generation: int = 1) -> InstanceStatus:
    """A ready instance."""
    place = Endpoint("127.0.0.1", 1)
    return InstanceStatus(name, "ui", slot, generation, InstancePhase.READY, 0.0, place)


def test_nobody_ready_is_nobody() -> None:
    """There is nothing to choose from."""
    assert choose([], lambda _: 0) is None


def test_the_fewest_sessions_win_then_the_lowest_slot() -> None:
    """New sessions spread; a tie is decided the same way every time."""
    sessions = {"a": 3, "b": 1, "c": 1}
    found = choose([instance("a", 0), instance("c", 2), instance("b", 1)], sessions.__getitem__)
    assert found is not None
    assert found.id == "b"


def test_a_new_generation_takes_the_new_requests() -> None:
    """However idle the old one is."""
    found = choose([instance("old", 0, 1), instance("new", 0, 2)], {"old": 0, "new": 9}.__getitem__)
    assert found is not None
    assert found.id == "new"

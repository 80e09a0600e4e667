"""How long the slot waits between starts."""

from random import Random

from hypothesis import given
from hypothesis import strategies as some

from fluxlit.config.settings import Sidecar
from fluxlit.supervisor.machine.backoff import delay, within

POLICY = Sidecar()


def test_it_doubles_to_the_cap_without_jitter_at_full_luck() -> None:
    """With all luck the nominal delays show: 0.5 s doubling up to 30 s."""
    assert [delay(n, 1.0, POLICY) for n in range(1, 9)] == [0.5, 1, 2, 4, 8, 16, 30, 30]


def test_the_jitter_is_drawn_from_the_number_given() -> None:
    """Half of the delay is fixed, half is the drawn share: an exact sequence for a seed."""
    draws, again = Random(7), Random(7)
    got = [delay(n, draws.random(), POLICY) for n in range(1, 5)]
    assert got == [nominal / 2 * (1 + again.random()) for nominal in (0.5, 1, 2, 4)]


@given(some.integers(1, 100_000), some.floats(0, 1, exclude_max=True))
def test_it_stays_between_half_the_first_and_the_longest(failures: int, luck: float) -> None:
    """However many failures, nobody spins and nobody waits longer than the cap."""
    assert POLICY.backoff_first / 2 <= delay(failures, luck, POLICY) <= POLICY.backoff_longest


def test_old_failures_leave_the_window() -> None:
    """Only failures younger than the window count."""
    assert within((0.0, 10.0, 299.0), at=305.0, window=300.0) == (10.0, 299.0)

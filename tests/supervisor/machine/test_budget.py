"""How the time of a shutdown is shared out."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from fluxlit.config.settings import Shutdown
from fluxlit.supervisor.machine.budget import Budget, split


def test_the_rest_goes_to_the_drain() -> None:
    """By default 25 s: TERM and KILL as set, a tenth of margin, all else drains."""
    assert split(Shutdown(), 5.0) == Budget(lame_duck=0, drain=15.5, stop=5, kill=2, margin=2.5)


def test_a_small_total_shrinks_in_proportion() -> None:
    """Docker's 10 s leave 9: every part gets three quarters of what it asks for."""
    assert split(Shutdown(total=9.0), 5.0) == Budget(
        lame_duck=0, drain=3, stop=3.75, kill=1.5, margin=0.75
    )


def test_the_smallest_total_is_for_the_child() -> None:
    """With 1 s in all nothing is drained, so that the child can still end by itself."""
    budget = split(Shutdown(total=1.0), 5.0)
    assert budget.stop + budget.kill == pytest.approx(1.0)
    assert budget.drain == budget.margin == 0


def test_the_lame_duck_is_kept_when_there_is_room() -> None:
    """What the operator set for the load balancer is not touched."""
    assert split(Shutdown(total=30.0, lame_duck=8.0), 5.0).lame_duck == 8


@given(total=some.floats(1, 4000), lame_duck=some.floats(0, 600), stop_timeout=some.floats(0, 600))
def test_the_parts_make_the_total(total: float, lame_duck: float, stop_timeout: float) -> None:
    """Nothing is lost, nothing is negative, and a child gets at least 1 s to be gone."""
    budget = split(Shutdown(total=total, lame_duck=lame_duck), stop_timeout)
    parts = (budget.lame_duck, budget.drain, budget.stop, budget.kill, budget.margin)
    assert budget.total == pytest.approx(total)
    assert min(parts) >= 0
    assert budget.stop + budget.kill >= 1.0 - 1e-9

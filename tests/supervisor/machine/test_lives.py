"""What an instance remembers of its phases."""

from fluxlit.supervisor.machine.events import (
    GroupGone,
    LeaderExited,
    ReadinessProbed,
)
from tests.supervisor.machine.scenarios import (
    ID,
    PASSED,
    UNREADY,
    ended,
)


def test_seconds_in_ready_add_up_without_the_gaps() -> None:
    """READY from 2 to 3, away until 5, READY again until 9."""
    back = [ReadinessProbed(at, ID, PASSED, at) for at in (4.0, 5.0)]
    end = (LeaderExited(9.0, ID, 1), GroupGone(9.0, ID))
    assert ended(*UNREADY, *back, *end).ready_for == 5.0

"""The diagrams are drawn from the tables."""

from fluxlit.supervisor.machine.diagram import (
    daemon_diagram,
    instance_diagram,
    rollout_diagram,
    slot_diagram,
)


def test_the_daemon_diagram_shows_the_way_down() -> None:
    """Every arrow is a row's target, labelled with its events."""
    lines = daemon_diagram().splitlines()
    assert lines[:3] == ["stateDiagram-v2", "    [*] --> BOOT", "    BOOT --> STARTING: booted"]
    assert "    DRAINING --> STOPPING: deadline passed, drained, quit asked, stop asked" in lines
    assert lines[-1] == "    EXITED --> [*]"


def test_the_instance_diagram_shows_the_probes() -> None:
    """READY and UNREADY lead to each other by readiness probes."""
    assert "READY --> UNREADY: readiness probed" in instance_diagram()
    assert "UNREADY --> READY: readiness probed" in instance_diagram()


def test_the_slot_diagram_shows_the_trial() -> None:
    """After giving up, the deadline leads to a trial."""
    assert "HELD --> TRIAL: deadline passed" in slot_diagram()


def test_the_rollout_diagram_shows_the_proof() -> None:
    """What is raised must prove itself before the rest is cleared."""
    assert "RAISING --> PROVING: all up" in rollout_diagram()
    assert "PROVING --> CLEARING: deadline passed, lost" in rollout_diagram()

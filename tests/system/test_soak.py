"""Chaos: whatever happens to the sidecars, the daemon keeps its promises; `make soak` runs it for ten minutes."""

import os
import random

import pytest

from tests.system import soak
from tests.system.conftest import Start

SECONDS = float(os.environ.get("FLUXLIT_SOAK_SECONDS", "15"))
SEED = os.environ.get("FLUXLIT_SOAK_SEED")

pytestmark = [pytest.mark.system, pytest.mark.timeout(SECONDS + 240)]


def test_the_laws_hold_under_chaos(start: Start, backend: str) -> None:
    """No API request is lost, healthz is 200, nothing is left over; the seed of a failure repeats its faults."""
    seed = int(SEED) if SEED else random.randrange(10**6)
    print(f"FLUXLIT_SOAK_SEED={seed}, {SECONDS:g} s on {backend}")
    daemon = start("--backend", backend, files={"app.py": soak.APP}, environment=soak.SETTINGS)
    chaos = soak.Soak(daemon.wait_ready(), seed)
    chaos.run(SECONDS)
    print(dict(sorted(chaos.seen.items())), f"most memory {chaos.most_memory / 1e6:.0f} MB")
    print(f"slowest healthz {chaos.slowest_health * 1000:.0f} ms")
    status = daemon.stop()
    wrong = [*chaos.broken, *soak.complaints(daemon)]
    assert not wrong, f"seed {seed}:\n" + "\n".join(wrong[:40])
    assert status == 0

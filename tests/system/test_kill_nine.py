"""Kill -9 of the daemon at any moment of its life leaves no process, port, socket or lock."""

import os
import random
import signal
import socket
import time

import pytest

from tests.system.conftest import Start
from tests.system.daemon import Daemon

KILLS = int(os.environ.get("FLUXLIT_TEST_KILLS", "12"))
SEED = int(os.environ.get("FLUXLIT_TEST_SEED", "0")) or random.randrange(1, 10**6)

pytestmark = [pytest.mark.system, pytest.mark.timeout(120 + 15 * KILLS)]

MOMENTS = (0.0, 0.3, 0.8, 1.5, 3.0)
"""Seconds of life, roughly: the interpreter, the imports, the start, the service."""


def free_port() -> int:
    """A port that was free a moment ago; the kernel hands it out to nobody else that soon."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def live(daemon: Daemon, chance: random.Random) -> str:
    """Let the daemon live for a while: only so long, or until it serves, rolls or stops."""
    what = chance.choice(["young", "young", "ready", "rolling", "stopping"])
    if what == "young":
        time.sleep(chance.choice(MOMENTS) + chance.random() * 0.5)  # the moment is what is tested
        return what
    daemon.wait_ready()
    if what != "ready":
        daemon.process.send_signal(signal.SIGUSR2 if what == "rolling" else signal.SIGTERM)
    time.sleep(chance.random() * 0.5)
    return what


def test_nothing_is_left_after_kill_9(start: Start) -> None:
    """The guardian ends all processes and removes lock and socket; the port can be bound at once afterwards."""
    chance = random.Random(SEED)
    for number in range(KILLS):
        port = free_port()
        backend = chance.choice(["asyncio", "trio"])
        daemon = start(
            "--backend", backend, port=port, environment={"FLUXLIT_SIDECAR_REPLICAS": "2"}
        )
        what = live(daemon, chance)
        status = daemon.stop(signal.SIGKILL)
        told = f"seed {SEED}, kill {number}: {backend}, {what}, status {status}"
        assert status == -signal.SIGKILL or (what, status) == ("stopping", 0), told
        deadline = time.monotonic() + 5
        while (left := daemon.leftovers()) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not left, f"{told}: {left}\n{daemon.story()}"
        socket.create_server(("127.0.0.1", port)).close()
        daemon.destroy()

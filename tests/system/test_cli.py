"""The commands as a user types them."""

import subprocess
import sys
import time

import pytest

from tests.system.conftest import Start

pytestmark = pytest.mark.system


def test_fluxlit_run_is_the_same_daemon(start: Start, backend: str) -> None:
    """`fluxlit run app:app --port 0` serves like `python -m fluxlit.supervisor`."""
    daemon = start("run", "app:app", "--backend", backend, module="fluxlit").wait_ready()
    assert daemon.ask("/").status == 200
    assert daemon.ask("/api/ping").status == 200
    assert daemon.stop() == 0


def test_fluxlit_demo_serves_the_demo(start: Start) -> None:
    """`fluxlit demo` needs no app of the user's."""
    daemon = start("demo", module="fluxlit", files={"unused.txt": ""}).wait_ready()
    assert len(daemon.ask("/api/openapi.json").json()["paths"]) >= 2


def test_healthcheck_tells_by_its_status(start: Start) -> None:
    """`fluxlit healthcheck [--ready]` finds the daemon from the same settings: 0 while it serves, 1 when it is gone."""
    daemon = start().wait_ready()
    environment = {"FLUXLIT_GATEWAY_PORT": str(daemon.port), "PATH": "/usr/bin"}

    def check(*arguments: str) -> int:
        command = [sys.executable, "-m", "fluxlit", "healthcheck", *arguments]
        return subprocess.run(
            command, env=environment, cwd=daemon.folder, check=False, capture_output=True
        ).returncode

    assert check() == 0
    assert check("--ready") == 0
    began = time.perf_counter()
    check()
    print(f"healthcheck: {(time.perf_counter() - began) * 1000:.0f} ms")
    daemon.stop()
    assert check() == 1

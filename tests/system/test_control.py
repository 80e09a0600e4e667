"""The running daemon is asked, told, found and locked: the control socket and its commands."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.doubles.streamlit_session import StreamlitSession
from tests.system.conftest import Start
from tests.system.daemon import Daemon, marked

pytestmark = pytest.mark.system


def command(daemon: Daemon, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``fluxlit …`` where the daemon was started."""
    return subprocess.run(
        [sys.executable, "-m", "fluxlit", *arguments],
        cwd=daemon.folder,
        env=environment(daemon),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def environment(daemon: Daemon) -> dict[str, str]:
    """What finds the daemon's state: its temporary folder; and what finds this tree."""
    kept = {k: v for k, v in os.environ.items() if k in {"PATH", "PYTHONPATH"}}
    return {**kept, "TMPDIR": str(daemon.temporary), "COLUMNS": "120"}


def state_of(daemon: Daemon) -> Path:
    """Its state directory."""
    (found,) = daemon.temporary.glob("fluxlit-*")
    return found


def test_status_tells_processes_sessions_and_memory(start: Start, backend: str) -> None:
    """As JSON for scripts and as columns for people; a WebSocket counts as a session."""
    daemon = start("--backend", backend).wait_ready()
    with StreamlitSession(daemon.port) as session:
        session.run()
        status = json.loads(command(daemon, "status", "--json").stdout)
        assert (status["phase"], status["backend"], status["sessions"]) == ("ready", backend, 1)
        assert status["pid"] == daemon.process.pid
        (instance,) = status["instances"]
        assert (instance["pid"], instance["sessions"]) == (daemon.sidecar, 1)
        assert instance["rss"] > 20_000_000
        assert status["listening"] == [f"http://127.0.0.1:{daemon.port}"]
    plain = command(daemon, "status").stdout
    assert f"{daemon.sidecar}" in plain
    assert "restarts 0" in plain
    os.kill(daemon.sidecar, signal.SIGKILL)
    here = daemon.events_so_far
    daemon.wait_event("service.ready", start=here)
    status = json.loads(command(daemon, "status", "--json").stdout)
    assert status["restarts"] == 1
    assert "SIGKILL" in status["last_failure"]
    assert daemon.stop() == 0


def test_status_without_a_daemon_is_1(start: Start) -> None:
    """For every command, with one sentence."""
    daemon = start().wait_ready()
    assert daemon.stop() == 0
    for name in ("status", "stop", "drain", "restart", "reload", "logs"):
        told = command(daemon, name)
        assert told.returncode == 1
        assert told.stderr.startswith("fluxlit: no daemon runs for this folder")


def test_stop_wait_returns_when_it_has_ended(start: Start, backend: str) -> None:
    """As TERM: a call in flight is finished; the command is back after the daemon, not before."""
    daemon = start("--backend", backend).wait_ready()
    call = threading.Thread(target=daemon.ask, args=("/api/slow?seconds=1",))
    call.start()
    daemon.wait_line("slow has begun")
    told = command(daemon, "stop", "--wait")
    assert daemon.process.poll() is not None or daemon.process.wait(0.5) == 0
    assert (told.returncode, daemon.wait()) == (0, 0)
    assert f"pid {daemon.process.pid}" in told.stdout
    call.join()


def test_drain_serves_on_until_stop(start: Start, backend: str) -> None:
    """Readyz 503 and everything else as before, for any length of time."""
    daemon = start("--backend", backend).wait_ready()
    assert command(daemon, "drain").returncode == 0
    daemon.wait_event("daemon.phase", to="lame_duck")
    assert daemon.ask("/api/readyz").status == 503
    assert daemon.ask("/api/ping").status == 200
    assert daemon.ask("/").status == 200
    assert command(daemon, "drain").returncode == 0
    assert daemon.process.poll() is None
    assert daemon.stop() == 0
    assert daemon.log.find("daemon.phase", to="draining") is not None


def test_restart_rolls_to_a_new_generation(start: Start, backend: str) -> None:
    """`fluxlit restart` is SIGUSR2 by another way: a new process takes over, the port never closes."""
    quick = {"FLUXLIT_SIDECAR_MIN_READY": "0.2", "FLUXLIT_SIDECAR_DRAIN": "0.2"}
    daemon = start("--backend", backend, environment=quick).wait_ready()
    first = daemon.sidecar
    assert command(daemon, "restart").returncode == 0
    daemon.wait_event("roll.done")
    assert daemon.sidecar != first
    assert daemon.ask("/").status == 200
    assert daemon.stop() == 0


def test_reload_says_that_it_cannot(start: Start) -> None:
    """What the daemon has no ability for fails with a sentence and changes nothing."""
    daemon = start().wait_ready()
    told = command(daemon, "reload")
    assert (told.returncode, told.stderr) == (1, "fluxlit: reload is not available yet\n")
    assert daemon.ask("/").status == 200
    assert daemon.stop() == 0


def test_logs_and_following_them(start: Start, backend: str) -> None:
    """The last lines as they were written; -f goes on until the daemon ends."""
    daemon = start("--backend", backend).wait_ready()
    told = command(daemon, "logs", "-n", "3")
    assert told.stdout.splitlines() == daemon.log.lines[-3:]
    with subprocess.Popen(
        [sys.executable, "-m", "fluxlit", "logs", "-f", "-n", "1"],
        cwd=daemon.folder,
        env=environment(daemon),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as follower:
        assert follower.stdout is not None
        follower.stdout.readline()
        daemon.ask("/api/ping")
        assert "/api/ping" in follower.stdout.readline()
        assert daemon.stop() == 0
        assert follower.wait(10) == 1


def test_a05_a_second_daemon_on_the_same_state_exits_75(start: Start, backend: str) -> None:
    """One sentence naming the first, which goes on; nothing was started for the second."""
    daemon = start("--backend", backend).wait_ready()
    other = start("--backend", backend, environment={"FLUXLIT_STATE_DIR": str(state_of(daemon))})
    assert other.wait() == 75
    (line,) = other.errors.lines
    assert f"(pid {daemon.process.pid})" in line
    assert other.log.find("service.spawned") is None
    assert daemon.ask("/api/ping").status == 200
    assert daemon.stop() == 0


def test_a05_after_kill_9_the_next_one_starts(start: Start, backend: str, tmp_path: Path) -> None:
    """The lock is the kernel's: it is free at once, whatever lies in the folder; status finds the new one."""
    kept = {"FLUXLIT_STATE_DIR": str(tmp_path / "state")}
    first = start("--backend", backend, environment=kept).wait_ready()
    assert first.stop(signal.SIGKILL) == -signal.SIGKILL
    second = start("--backend", backend, environment=kept).wait_ready()
    told = command(second, "status", "--json", "--state-dir", kept["FLUXLIT_STATE_DIR"])
    assert json.loads(told.stdout)["pid"] == second.process.pid
    assert second.stop() == 0
    assert not (tmp_path / "state").exists() or list((tmp_path / "state").iterdir()) == []


def test_f04_leftovers_of_a_killed_daemon_are_swept_at_the_next_start(
    start: Start, tmp_path: Path
) -> None:
    """The guardian was killed as well: the next daemon on the same state ends what pages had started."""
    kept = {"FLUXLIT_STATE_DIR": str(tmp_path / "state")}
    first = start(environment=kept).wait_ready()
    mark = json.loads((tmp_path / "state" / "lock").read_text())["mark"]
    with subprocess.Popen(
        ["sleep", "600"], env={"FLUXLIT_DAEMON": mark}, start_new_session=True
    ) as orphan:
        guardian = [pid for pid in marked(first.mark) if _parent(pid) == first.process.pid]
        for pid in [*guardian, first.process.pid]:
            if pid != first.sidecar:
                os.kill(pid, signal.SIGKILL)
        first.wait()
        assert orphan.poll() is None
        second = start(environment=kept).wait_ready()
        assert orphan.wait(5) == -signal.SIGKILL
    assert second.stop() == 0


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def test_a_killed_daemon_leaves_no_lock_and_no_socket(start: Start, backend: str) -> None:
    """Its guardian tidies up (the fixture finds no file in its temporary folder)."""
    daemon = start("--backend", backend).wait_ready()
    assert len(list(state_of(daemon).iterdir())) == 2
    daemon.stop(signal.SIGKILL)


def test_daemons_of_one_folder_do_not_meet(start: Start) -> None:
    """Two ports, two states; the commands ask which one is meant."""
    first = start().wait_ready()
    second = Daemon(first.folder)
    try:
        second.wait_ready()
        told = command(first, "status")
        assert told.returncode == 1
        assert "several daemons" in told.stderr
        assert second.stop() == 0
        assert command(first, "status").returncode == 0
    finally:
        second.destroy()
    assert first.stop() == 0


BARE = """
mount -o remount,bind,ro / || exit 99
exec unshare --user --map-user=12345 env -u HOME "$@"
"""


@pytest.fixture
def bare() -> list[str]:
    """A prefix for a read-only file system and a user without a name and a home."""
    for unshare in (["unshare", "--mount"], ["unshare", "--user", "--map-root-user", "--mount"]):
        prefix = [*unshare, "sh", "-c", BARE, "sh"]
        if (
            shutil.which("unshare")
            and not subprocess.run([*prefix, "true"], check=False).returncode
        ):
            return prefix
    pytest.skip("mount and user namespaces are not permitted here")


def test_k02_without_anything_writable_it_serves_without_control(
    start: Start, bare: list[str], backend: str
) -> None:
    """An unknown uid, no HOME, nowhere to write: one warning, and pages and API are served."""
    daemon = start("--backend", backend, prefix=bare).wait_ready()
    assert sum(e["event"] == "daemon.without_state" for e in daemon.log.events) == 1
    with StreamlitSession(daemon.port) as session:
        session.run()
        assert "Small home" in session.texts
    assert daemon.ask("/api/ping").status == 200
    assert daemon.stop() == 0


def test_an_unusable_state_dir_is_a_mistake_in_the_configuration(start: Start) -> None:
    """Who asks for a place gets it or hears why not."""
    daemon = start(environment={"FLUXLIT_STATE_DIR": "/proc/nowhere"})
    assert daemon.wait() == 78
    assert daemon.errors.lines[0].startswith("fluxlit: state_dir /proc/nowhere cannot be used")


def test_the_socket_costs_an_idle_daemon_nothing(start: Start) -> None:
    """Nobody asks: no wake-ups from the control socket (the processes' own probes are all there is)."""
    daemon = start().wait_ready()

    def switches() -> int:
        text = Path(f"/proc/{daemon.process.pid}/status").read_text()
        return int(text.partition("voluntary_ctxt_switches:")[2].split()[0])

    before = switches()
    time.sleep(2)  # what is measured is a time
    assert switches() - before < 200
    assert daemon.stop() == 0

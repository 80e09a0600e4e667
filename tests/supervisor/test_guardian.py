"""The guardian ends what carries the daemon's mark when the daemon is gone, and only then."""

import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from fluxlit.supervisor import guardian, init

DAEMON = """
import os, subprocess, sys
import pytest

from fluxlit.supervisor import guardian, init
guardian.begin()
inside = subprocess.Popen(["sleep", "600"])
outside = subprocess.Popen(["sleep", "600"], start_new_session=True)
print(guardian._guardian, inside.pid, outside.pid, os.environ[guardian.MARK], flush=True)
sys.stdin.readline()
inside.kill(); outside.kill(); inside.wait(); outside.wait()
guardian.dismiss()
os._exit(0)
"""


def started() -> tuple[subprocess.Popen[str], list[int], str]:
    """A daemon with a guardian and two children; the process, [guardian, child, child], and its mark."""
    process = subprocess.Popen(
        [sys.executable, "-c", DAEMON], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    *pids, mark = process.stdout.readline().split()
    return process, [int(pid) for pid in pids], mark


def gone(pids: list[int], seconds: float = 5.0) -> bool:
    """Whether none of the processes lives, within the time that their deaths take."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not any(alive(pid) for pid in pids):
            return True
        time.sleep(0.01)
    return False


def alive(pid: int) -> bool:
    """Whether a process exists and is no zombie (orphans of ours may wait for whoever reaps them)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    return stat.rpartition(b")")[2].split()[0] not in (b"Z", b"X")


def close(process: subprocess.Popen[str]) -> None:
    """Wait for the daemon and close its pipes."""
    process.wait(10)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    process.stdout.close()


@pytest.mark.parametrize(
    ("split", "steps"), [(True, ["hold", "split"]), (False, ["hold", "split", "guard"])]
)
def test_a_daemon_below_its_own_init_needs_no_guardian(
    monkeypatch: pytest.MonkeyPatch, split: bool, steps: list[str]
) -> None:
    """Signals are held first; where PID 1 is ours, its end ends everything already."""
    trace: list[str] = []

    def answer_split() -> bool:
        trace.append("split")
        return split

    monkeypatch.setattr(init, "hold_signals", lambda: trace.append("hold"))
    monkeypatch.setattr(init, "split", answer_split)
    monkeypatch.setattr(guardian, "guard", lambda: trace.append("guard"))
    guardian.begin()
    assert trace == steps


def test_after_kill_nine_everything_marked_ends_and_the_guardian_too() -> None:
    """Children in the daemon's group and outside of it."""
    process, pids, _ = started()
    assert all(alive(pid) for pid in pids)
    process.kill()
    close(process)
    assert gone(pids)


def test_a_dismissed_guardian_is_gone_before_the_daemon_is() -> None:
    """An orderly end leaves no process, not even for a moment."""
    process, pids, _ = started()
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    close(process)
    assert not any(alive(pid) for pid in pids)


def test_signals_to_it_change_nothing() -> None:
    """Ctrl-C and a platform's TERM to every process leave it on watch."""
    process, pids, _ = started()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(pids[0], number)
    process.kill()
    close(process)
    assert gone(pids)


def test_only_the_bearers_of_the_mark_are_found() -> None:
    """The mark is a whole entry of the environment, not a part of one."""
    mark = uuid.uuid4().hex
    bearers = [
        subprocess.Popen(["sleep", "600"], env={"PATH": os.environ["PATH"], "M": value})
        for value in (mark, f"{mark}x")
    ]
    try:
        assert list(guardian.marked(f"M={mark}".encode())) == [bearers[0].pid]
    finally:
        for bearer in bearers:
            bearer.kill()
            bearer.wait()

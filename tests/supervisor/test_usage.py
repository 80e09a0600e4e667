"""Memory and CPU of process trees."""

import os
import subprocess
import sys

from fluxlit.supervisor.usage import Usage, usage, usage_of

HUNGRY = """
import subprocess, sys
held = bytearray(b"x" * 50_000_000)
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
print("ready", flush=True)
input()
child.communicate(b"\\n")
"""


def test_a_tree_is_counted_whole() -> None:
    """The memory it has touched, the child it has started, its age."""
    with subprocess.Popen(
        [sys.executable, "-c", HUNGRY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = usage([process.pid])[process.pid]
        process.communicate(b"\n")
    assert found.processes == 2
    assert found.rss > 50_000_000
    assert found.pss is not None
    assert 50_000_000 < found.pss <= found.rss
    assert 0 < found.cpu < 10
    assert 0 <= found.uptime < 60


def test_what_has_ended_uses_nothing() -> None:
    """A process that is gone by now is no error."""
    with subprocess.Popen(["true"]) as process:
        process.wait()
    assert usage([process.pid]) == {process.pid: Usage()}
    assert usage_of(process.pid) == Usage()


def test_one_process_alone() -> None:
    """Without its children."""
    assert usage_of(os.getpid()).processes == 1
    assert usage_of(os.getpid()).rss > 1_000_000

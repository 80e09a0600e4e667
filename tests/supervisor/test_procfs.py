"""What is read from /proc, on this machine's own processes."""

import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from fluxlit.status import Endpoint
from fluxlit.supervisor import procfs


def test_this_process_is_seen_as_it_is() -> None:
    """Pid, parent, group and life of the running test."""
    me = procfs.process(os.getpid())
    assert me
    assert (me.pid, me.parent, me.group) == (os.getpid(), os.getppid(), os.getpgrp())
    assert me.alive
    assert me in [procfs.process(me.pid), me]


def test_a_process_that_does_not_exist_is_none() -> None:
    """Pids end at 2**22; nothing raises for one that is gone."""
    gone = 2**22 + 1
    assert procfs.process(gone) is None
    assert procfs.socket_inodes(gone) == set()
    assert procfs.thread_states(gone) == ""
    assert procfs.wait_channel(gone) == ""
    assert procfs.listening(gone, "tcp") == {}
    assert not procfs.carries(gone, "A=1")


def test_a_name_with_parentheses_is_parsed(tmp_path: Path) -> None:
    """The kernel does not escape the name that stands in the middle of the line."""
    program = tmp_path / ") Z (x"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([program, "100"]) as child:
        found = procfs.process(child.pid)
        child.kill()
    assert found
    assert (found.parent, found.state in "SRD") == (os.getpid(), True)


def test_a_zombie_is_not_alive() -> None:
    """It is listed, and in no group."""
    child = subprocess.Popen(["/bin/true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    found = procfs.process(child.pid)
    assert found
    assert not found.alive
    assert procfs.in_group(found.group, [found]) == []
    child.wait()


def test_descendants_are_children_and_theirs() -> None:
    """A tree is walked to its leaves; strangers are left out."""
    tree = [_process(2, 1), _process(3, 2), _process(4, 3), _process(5, 1), _process(9, 8)]
    assert {each.pid for each in procfs.descendants(2, tree)} == {3, 4}
    assert {each.pid for each in procfs.descendants(1, tree)} == {2, 3, 4, 5}


def _process(pid: int, parent: int) -> procfs.Process:
    return procfs.Process(pid, "S", parent, pid, 0, 1, 0)


def test_a_variable_is_found_whole() -> None:
    """NAME=value matches as a whole, not as a part of another."""
    environment = {"FLUXLIT_INSTANCE": "ui-1", "X_FLUXLIT_INSTANCE": "ui-2"}
    argv = ["/bin/sh", "-c", "echo; cat"]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, env=environment, stdin=pipe, stdout=pipe) as child:
        assert child.stdout
        child.stdout.readline()  # In the middle of its exec a process has no environment yet.
        found = {
            text: procfs.carries(child.pid, f"FLUXLIT_INSTANCE={text}")
            for text in ("ui-1", "ui-2", "ui")
        }
    assert found == {"ui-1": True, "ui-2": False, "ui": False}


def test_a_stopped_process_shows_as_stopped() -> None:
    """T in the process and in its only thread."""
    with subprocess.Popen(["/bin/sleep", "100"]) as child:
        child.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
        found = procfs.process(child.pid)
        assert found
        assert found.state == "T"
        assert procfs.thread_states(child.pid) == "T"
        child.kill()


@pytest.mark.parametrize(
    ("family", "address", "seen"),
    [
        (socket.AF_INET, "127.0.0.1", "127.0.0.1"),
        (socket.AF_INET, "127.8.7.6", "127.8.7.6"),
        (socket.AF_INET, "0.0.0.0", "127.0.0.1"),
        (socket.AF_INET6, "::1", "::1"),
        (socket.AF_INET6, "::", "127.0.0.1"),
        (socket.AF_INET6, "::ffff:127.0.0.1", "127.0.0.1"),
    ],
)
def test_listeners_on_loopback_are_seen(
    family: socket.AddressFamily, address: str, seen: str
) -> None:
    """Both families; any address is given as 127.0.0.1."""
    with socket.socket(family) as listener:
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind((address, 0))
        inode = os.fstat(listener.fileno()).st_ino
        assert inode in procfs.socket_inodes(os.getpid())
        table = "tcp6" if family == socket.AF_INET6 else "tcp"
        assert inode not in procfs.listening(os.getpid(), table)
        listener.listen()
        expected = Endpoint(seen, listener.getsockname()[1])
        assert procfs.listening(os.getpid(), table)[inode] == expected


def test_other_addresses_are_not_loopback() -> None:
    """A documentation address of the kernel's table is no place to probe."""
    assert procfs._local_host(procfs._address("0100A8C0")) is None

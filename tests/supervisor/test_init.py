"""The split of PID 1, in a real PID namespace of its own."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

from fluxlit.supervisor import init, procfs
from fluxlit.supervisor.init import HELD, hold_signals, split
from tests.programs import command

pytestmark = pytest.mark.usefixtures("leak_free")

STATUSES = (0, 1, 2, 3, 5, 42, 64, 69, 70, 71, 75, 77, 78, 100, 126, 127, 128, 130, 143, 254, 255)
ENVIRONMENT = {"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": os.environ["PATH"]}


@cache
def _unshare() -> tuple[str, ...]:
    """The command that makes its program PID 1, or nothing where that is forbidden."""
    common = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
    for argv in (common, (*common, "--map-root-user")):
        try:
            subprocess.run([*argv, "true"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        return argv
    return ()


@contextmanager
def _as_pid_1(*task: str, **environment: str) -> Generator["subprocess.Popen[str]"]:
    if not _unshare():
        pytest.skip("no PID namespace may be made here (unshare --pid)")
    argv = [*_unshare(), *command("splits", *task, site=True)]
    env = {**ENVIRONMENT, **environment}
    with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def _run(*task: str, **environment: str) -> tuple[int, str]:
    with _as_pid_1(*task, **environment) as process:
        output, _ = process.communicate(timeout=20)
    return process.returncode, output.strip()


def _pid_1_of(process: "subprocess.Popen[str]") -> int:
    """The namespace's PID 1 as seen from here, once it holds TERM back or has split."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        everything = procfs.processes()
        parents = {each.parent for each in everything}
        for each in everything:
            started = each.parent == process.pid and _is_python(each.pid)
            # While it waits for signals, the kernel shows none of them as blocked.
            if started and (_holds_term(each.pid) or each.pid in parents):
                return each.pid
        time.sleep(0.001)
    pytest.fail("PID 1 never held TERM back")


def _holds_term(pid: int) -> bool:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    blocked = next(line for line in lines if line.startswith("SigBlk:"))
    return bool(int(blocked.split()[1], 16) & 1 << (signal.SIGTERM - 1))


def _is_python(pid: int) -> bool:
    # Before its exec it is still unshare, which blocks TERM around its fork.
    return sys.executable.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:1]


@pytest.mark.parametrize("status", STATUSES)
def test_the_status_of_the_daemon_is_passed_on(status: int) -> None:
    """The container ends with what the daemon returned."""
    assert _run("exit", str(status)) == (status, "")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT, signal.SIGUSR2])
def test_a_daemon_killed_by_a_signal_is_128_plus_n(number: int) -> None:
    """As a shell would report it."""
    unblocked = number not in HELD
    expected = 128 + number if unblocked else 0
    assert _run("die", str(int(number)))[0] == expected


@pytest.mark.parametrize("after", [0, 0.02, 0.05, 0.1])
def test_a_term_after_the_first_statement_is_never_lost(after: float) -> None:
    """TERM to PID 1 while the daemon is still importing arrives when the daemon can act on it."""
    with _as_pid_1("wait", "60") as process:
        pid = _pid_1_of(process)
        time.sleep(after)
        os.kill(pid, signal.SIGTERM)
        output, _ = process.communicate(timeout=20)
    assert (process.returncode, output.strip()) == (0, "SIGTERM")


def test_other_signals_are_forwarded_too() -> None:
    """USR1 is only one more number to the init."""
    with _as_pid_1("wait", "0") as process:
        os.kill(_pid_1_of(process), signal.SIGUSR1)
        output, _ = process.communicate(timeout=20)
    assert (process.returncode, output.strip()) == (0, "SIGUSR1")


def test_orphans_are_reaped() -> None:
    """200 processes whose parent is gone end, and none stays as a zombie."""
    assert _run("orphans", "200") == (0, "clean")


def test_the_daemon_has_a_group_of_its_own() -> None:
    """Pid, parent and group: Ctrl-C must not reach it twice."""
    assert _run("who", "0") == (0, "2 1 2")


def test_it_can_be_switched_off() -> None:
    """With FLUXLIT_INIT=off the daemon itself is PID 1."""
    assert _run("who", "0", FLUXLIT_INIT="off") == (0, "1 0 0")


def test_below_another_init_nothing_is_split() -> None:
    """The same process goes on, but SIGCHLD has its default action again."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        pid = os.getpid()
        split()
        assert os.getpid() == pid
        assert signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL
    finally:
        signal.signal(signal.SIGCHLD, before)


@pytest.fixture
def mask() -> Iterator[None]:
    """The mask of this thread is restored, and nothing pending is left to hit."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


@pytest.mark.usefixtures("mask")
def test_holding_blocks_what_the_daemon_acts_on() -> None:
    """A held TERM is pending, not deadly."""
    hold_signals()
    # To this thread: others of the test process may not hold it.
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
    assert signal.SIGTERM in signal.sigpending()
    assert signal.sigwait({signal.SIGTERM}) == signal.SIGTERM
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) >= HELD


def test_it_imports_only_the_standard_library() -> None:
    """PID 1 stays small for the life of the container, and starts before anything heavy."""
    script = "import sys, fluxlit.supervisor.init; print(' '.join(sys.modules))"
    found = subprocess.check_output([sys.executable, "-c", script], env=ENVIRONMENT, text=True)
    ours = {name for name in found.split() if name.startswith("fluxlit")}
    assert ours == {"fluxlit", "fluxlit.supervisor", "fluxlit.supervisor.init"}
    assert not {"anyio", "structlog", "trio", "asyncio", "subprocess"} & set(found.split())


def test_what_a_manager_meant_for_pid_1_is_meant_for_the_daemon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Outside of the container LISTEN_PID was made for the process that became its PID 1."""
    monkeypatch.setenv("LISTEN_PID", "1")
    monkeypatch.setenv("WATCHDOG_PID", "77")
    init._hand_over("LISTEN_PID")
    init._hand_over("WATCHDOG_PID")
    init._hand_over("NO_SUCH_VARIABLE")
    assert os.environ["LISTEN_PID"] == str(os.getpid())
    assert os.environ["WATCHDOG_PID"] == "77"
    assert "NO_SUCH_VARIABLE" not in os.environ

"""What the shim sets in the child before the program runs."""

import ctypes
import errno
import os
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fluxlit.supervisor import shim
from tests.programs import command

SHIM = str(Path(shim.__file__))
SHOW = "cat /proc/self/status; cat /proc/self/limits /proc/self/oom_score_adj"


def _run(*program: str, parent: int | None = None) -> "subprocess.CompletedProcess[str]":
    argv = [sys.executable, "-I", "-S", SHIM, str(parent or os.getpid()), *program]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def _status(text: str, name: str) -> int:
    line = next(line for line in text.splitlines() if line.startswith(name))
    return int(line.split()[1], 16)


@pytest.fixture
def odd_signals() -> Iterator[None]:
    """As below nohup and a careless parent: signals blocked and ignored."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR1})
    hangup = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGHUP, hangup)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@pytest.mark.usefixtures("odd_signals")
def test_no_signal_is_blocked_or_ignored_in_the_program() -> None:
    """Whatever the daemon or its parent did to signals, a service starts with none of it."""
    shown = _run("/bin/cat", "/proc/self/status").stdout
    # 32 and 33 are the C library's own and not to be set; started by make, 32 is ignored.
    inner = 1 << 31 | 1 << 32
    assert [_status(shown, name) & ~inner for name in ("SigBlk:", "SigIgn:")] == [0, 0]


def test_no_core_is_written_and_the_hard_limit_stays() -> None:
    """A core of a whole sidecar would fill the container's disk."""
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    shown = _run("/bin/sh", "-c", "ulimit -S -c; ulimit -H -c").stdout.split()
    assert shown == ["0", "unlimited" if hard == resource.RLIM_INFINITY else str(hard // 512)]


def test_the_kernel_kills_the_service_before_the_daemon() -> None:
    """The out-of-memory score is ours plus OOM_PENALTY, at most 1000."""
    ours = int(Path("/proc/self/oom_score_adj").read_text())
    shown = int(_run("/bin/cat", "/proc/self/oom_score_adj").stdout)
    assert shown == min(1000, ours + shim.OOM_PENALTY)


def test_the_program_dies_with_its_parent() -> None:
    """PR_GET_PDEATHSIG in the program gives KILL."""
    ask = "import ctypes; n = ctypes.c_int(); ctypes.CDLL(None).prctl(2, ctypes.byref(n)); print(n.value)"
    assert _run(sys.executable, "-S", "-c", ask).stdout.strip() == str(int(signal.SIGKILL))


def test_a_parent_that_died_meanwhile_is_noticed() -> None:
    """The program is never executed if the parent is not the one that asked."""
    result = _run("/bin/echo", "executed", parent=1)
    assert (result.returncode, result.stdout) == (shim.ORPHANED, "")


def test_arguments_and_status_pass_through() -> None:
    """Spaces, quotes and empty arguments arrive; the status is the program's own."""
    result = _run("/bin/sh", "-c", 'printf "<%s>" "$@"; exit 9', "sh", "a b", "", "'")
    assert (result.stdout, result.returncode) == ("<a b><><'>", 9)


def test_the_program_is_found_on_its_own_path(tmp_path: Path) -> None:
    """PATH of the service decides, as in a shell."""
    program = tmp_path / "hello"
    program.write_text("#!/bin/sh\necho hello\n")
    program.chmod(0o755)
    argv = [sys.executable, "-I", "-S", SHIM, str(os.getpid()), "hello"]
    assert subprocess.check_output(argv, env={"PATH": str(tmp_path)}) == b"hello\n"


@pytest.mark.parametrize(
    ("content", "mode", "status"),
    [
        ("#!/bin/sh\n", 0o644, shim.NOT_EXECUTABLE),
        ("#!/nonexistent/interpreter\n", 0o755, shim.NOT_FOUND),
        ("neither script nor binary", 0o755, shim.NOT_EXECUTABLE),
    ],
)
def test_a_file_that_cannot_be_executed(
    tmp_path: Path, content: str, mode: int, status: int
) -> None:
    """Without x and without a format: 126; an interpreter that is missing: 127. Stderr says it."""
    program = tmp_path / "program"
    program.write_text(content)
    program.chmod(stat.S_IFREG | mode)
    result = _run(str(program))
    assert (result.returncode, result.stdout) == (status, "")
    assert result.stderr.startswith(f"fluxlit: cannot run {program}: ")


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (errno.ENOENT, shim.NOT_FOUND),
        (errno.EACCES, shim.NOT_EXECUTABLE),
        (errno.E2BIG, shim.NOT_EXECUTABLE),
        (errno.ENOMEM, shim.SHORT_OF_RESOURCES),
        (errno.ETXTBSY, shim.SHORT_OF_RESOURCES),
        (None, shim.NOT_EXECUTABLE),
    ],
)
def test_shortages_are_told_from_mistakes(number: int | None, status: int) -> None:
    """Only 126 and 127 say that trying again is useless."""
    assert shim._status_of(number) == status


def test_it_imports_next_to_nothing() -> None:
    """Each import is paid at every start: these cost more than the interpreter itself."""
    script = "import shim, sys; print(' '.join(sys.modules))"
    argv = [sys.executable, "-S", "-c", script]
    found = subprocess.check_output(argv, cwd=Path(SHIM).parent, text=True).split()
    assert "shim" in found
    assert not {"signal", "enum", "typing", "re", "pathlib", "subprocess", "site"} & set(found)


def test_a_signal_table_of_libc_is_large_enough() -> None:
    """A mask is read as a whole sigset_t: 128 bytes on glibc and musl."""
    empty = ctypes.create_string_buffer(b"\xff" * 256, 256)
    ctypes.CDLL(None).sigemptyset(empty)
    assert 8 <= empty.raw.count(b"\0") <= 128


def test_programs_of_the_suite_start() -> None:
    """The shim runs the suite's own children as the daemon does."""
    assert _run(*command("crashes")).returncode == 3

"""One process of a service: start it in a session of its own, watch it, signal all of it, reap it last.

Why not the backends' own subprocesses: trio forks in a worker thread, and the death signal of the
shim fires when that thread ends (measured: child killed after 10 s, daemon alive); both backends
reap the leader at once, which frees the number of its process group while members still live in it.
Here the leader stays a zombie until everything it left behind is gone.
"""

import errno
import os
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack, suppress
from pathlib import Path

import anyio

from fluxlit.config.service import ServiceSpec
from fluxlit.errors import SpawnFailed
from fluxlit.supervisor import procfs

INSTANCE_VARIABLE = "FLUXLIT_INSTANCE"
"""Names the instance in the environment of its process and of all that the process starts."""

_SHIM = str(Path(__file__).with_name("shim.py"))
_TRANSIENT = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ENOBUFS})
_NO_PIDFD = frozenset({errno.ENOSYS, errno.EPERM})
_FIRST_POLL = 0.005
_LONGEST_POLL = 0.1
_THREAD_END = 1.0

STATUS_LOST = 255
"""What exited() gives when some other code of ours has reaped the leader: a bug, but not a clean exit."""


def spawn(spec: ServiceSpec, *, instance: str, owned: set[int] | None = None) -> "Child":
    """Start ``spec`` as ``instance``, a name no other child has; call it in the event loop's thread.

    The child gets /dev/null, two pipes, exactly ``spec.environment`` plus FLUXLIT_INSTANCE, and no
    other descriptor. Its pid is kept in ``owned`` (see OrphanReaper) until it is reaped. A program
    that is missing shows as exit status 127, one that cannot be executed as 126.
    Raises SpawnFailed, permanent unless the system is short of something.
    """
    try:
        return _spawn(spec, instance, set() if owned is None else owned)
    except OSError as exc:
        reason = f"cannot start {spec.name}: {exc.strerror}"
        reason += f": {exc.filename}" if exc.filename else ""
        raise SpawnFailed(reason, permanent=exc.errno not in _TRANSIENT) from exc
    except ValueError as exc:
        # A NUL in an argument, or "=" in the name of a variable.
        reason = f"cannot start {spec.name}: {exc}"
        raise SpawnFailed(reason, permanent=True) from exc


def _spawn(spec: ServiceSpec, instance: str, owned: set[int]) -> "Child":
    with ExitStack() as kept, ExitStack() as given:
        stdout, child_stdout = _pipe(kept, given)
        stderr, child_stderr = _pipe(kept, given)
        process = subprocess.Popen(  # noqa: S603 - the operator's own command, and no shell
            [sys.executable, "-I", "-S", _SHIM, str(os.getpid()), *spec.argv],
            stdin=subprocess.DEVNULL,
            stdout=child_stdout,
            stderr=child_stderr,
            cwd=spec.directory,
            env={**spec.environment, INSTANCE_VARIABLE: instance},
            start_new_session=True,
            close_fds=True,
        )
        # The process is ours to reap: a Popen that knows no exit status yet would do it when collected.
        process.returncode = 0
        kept.callback(_destroy, process.pid)
        child = Child(process.pid, stdout, stderr, instance, Watch(process.pid), owned)
        kept.pop_all()
    return child


def _pipe(kept: ExitStack, given: ExitStack) -> tuple[int, int]:
    ours, theirs = os.pipe2(os.O_CLOEXEC)
    kept.callback(os.close, ours)
    given.callback(os.close, theirs)
    os.set_blocking(ours, False)
    return ours, theirs


def _destroy(pid: int) -> None:
    """End a child that cannot be watched; it is fresh and dies at once."""
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


class Watch:
    """A descriptor that becomes readable when the process ``pid``, a child of ours, has exited."""

    def __init__(self, pid: int) -> None:
        self._thread: threading.Thread | None = None
        try:
            self.descriptor = os.pidfd_open(pid)
        except OSError as exc:
            if exc.errno not in _NO_PIDFD:
                raise
            # Missing in gVisor and forbidden by old seccomp profiles.
            self.descriptor = self._watch_in_thread(pid)

    def _watch_in_thread(self, pid: int) -> int:
        readable, writable = os.pipe2(os.O_CLOEXEC)
        self._thread = threading.Thread(
            target=_close_after, args=(pid, writable), name=f"exit of {pid}", daemon=True
        )
        try:
            self._thread.start()
        except RuntimeError as exc:
            os.close(readable)
            os.close(writable)
            raise OSError(errno.EAGAIN, str(exc)) from exc
        return readable

    def close(self) -> None:
        """Stop watching; whoever waits for the descriptor gets ClosedResourceError."""
        anyio.notify_closing(self.descriptor)
        os.close(self.descriptor)

    def join(self) -> None:
        """After the process was reaped: see the thread off, if there is one, which then ends at once."""
        if self._thread:
            self._thread.join(_THREAD_END)


def _close_after(pid: int, writable: int) -> None:
    with suppress(ChildProcessError):
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    os.close(writable)


class Child:
    """A running instance and everything it has started.

    ``stdout`` and ``stderr`` are non-blocking read ends that belong to the caller, who closes them.
    ``pid`` is also the number of its process group and session.
    """

    def __init__(
        self, pid: int, stdout: int, stderr: int, instance: str, watch: Watch, owned: set[int]
    ) -> None:
        self.pid = pid
        self.stdout = stdout
        self.stderr = stderr
        self.instance = instance
        # None once the process is no longer ours: its number may then belong to somebody else.
        self._watch: Watch | None = watch
        self._owned = owned
        self._owned.add(pid)
        self._turn = anyio.Lock()
        self._returncode: int | None = None
        self._killed = False
        self._escaped: set[tuple[int, int]] = set()

    def __repr__(self) -> str:
        returncode = self._look()
        state = "running" if returncode is None else f"returned {returncode}"
        return f"<Child {self.instance} {self.pid} {state}>"

    async def exited(self) -> int:
        """Wait for the leader; gives its status, or -n if signal n ended it. It stays a zombie.

        Raises anyio.ClosedResourceError if it is abandoned first.
        """
        # Several tasks may ask, and an event loop watches a descriptor for one of them only.
        async with self._turn:
            while (returncode := self._look()) is None:
                await self._wait_for_news()
        return returncode

    async def _wait_for_news(self) -> None:
        if self._watch is None:
            raise anyio.ClosedResourceError
        with suppress(anyio.ClosedResourceError):
            await anyio.wait_readable(self._watch.descriptor)
        if self._look() is None:
            # A debugger that traces the child is told first; until it lets go, do not spin.
            await anyio.sleep(_FIRST_POLL)

    def _look(self) -> int | None:
        if self._returncode is None and self._watch:
            self._returncode = _peek(self.pid)
        return self._returncode

    def signal(self, number: int) -> None:
        """Send ``number`` to the group and to what escaped from it; TERM is followed by CONT.

        A stopped process acts on a TERM only when it is continued. Whatever has vanished, or has
        become another user's, is passed over: ``members()`` tells what is left.
        """
        if self._watch is None:
            return
        self._killed = self._killed or number == signal.SIGKILL
        escaped = [each.pid for each in self._escapees(procfs.processes())]
        self._send(number, escaped)
        if number == signal.SIGTERM:
            self._send(signal.SIGCONT, escaped)

    def _send(self, number: int, escaped: list[int]) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)
        for pid in escaped:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)

    def members(self) -> list[int]:
        """What still runs of it: the group, and descendants of ours elsewhere that carry its name.

        A process that leaves the session *and* clears its environment is not found.
        """
        if self._watch is None:
            return []
        everything = procfs.processes()
        found = [*procfs.in_group(self.pid, everything), *self._escapees(everything)]
        return [each.pid for each in found]

    def _escapees(self, everything: list[procfs.Process]) -> list[procfs.Process]:
        # Only our own descendants: the name is unique within one daemon, not on the machine.
        variable = f"{INSTANCE_VARIABLE}={self.instance}"
        found = [
            each
            for each in procfs.descendants(os.getpid(), everything)
            if each.alive and each.group != self.pid and procfs.carries(each.pid, variable)
        ]
        self._escaped.update((each.pid, each.started) for each in found)
        return found

    async def gone(self) -> None:
        """Wait until the leader has exited and nothing of it is left.

        After a KILL, which a fork storm can outrun, each look sends another.
        """
        await self.exited()
        pause = _FIRST_POLL
        while await self._still_there():
            if self._killed:
                self.signal(signal.SIGKILL)
            await anyio.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_POLL)

    async def _still_there(self) -> bool:
        if self.members():
            return True
        # In the middle of an exec a process has no environment to tell it by (measured): look twice.
        await anyio.sleep(_FIRST_POLL)
        return bool(self.members())

    def reap(self) -> int:
        """Let go of the exited leader and of the zombies it left us; gives its status, as exited().

        Only after gone(). Raises ChildProcessError while the leader runs. A second call only
        repeats the answer.
        """
        returncode = self._look()
        if returncode is None:
            message = f"{self!r} cannot be reaped"
            raise ChildProcessError(message)
        if self._watch:
            self._reap_what_it_left()
            with suppress(ChildProcessError):
                os.waitpid(self.pid, 0)
            self._watch.join()
            self.abandon()
        return returncode

    def abandon(self) -> None:
        """Give up on a process that even KILL does not end; the orphan reaper buries it some day."""
        if self._watch:
            self._watch.close()
            self._watch = None
            self._owned.discard(self.pid)

    def _reap_what_it_left(self) -> None:
        me = os.getpid()
        for each in procfs.processes():
            left = each.group == self.pid or (each.pid, each.started) in self._escaped
            if each.parent == me and left and each.pid != self.pid and not each.alive:
                with suppress(ChildProcessError):
                    os.waitpid(each.pid, os.WNOHANG)


def _peek(pid: int) -> int | None:
    """The status of our child ``pid``, which stays a zombie, or None while it runs."""
    try:
        found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
    except ChildProcessError:
        return STATUS_LOST
    if found is None:
        return None
    return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status

"""One real process of a service: start, watch, signal, and nothing left."""

import errno
import json
import os
import resource
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

import anyio
import pytest

from fluxlit.config.service import ServiceSpec
from fluxlit.errors import SpawnFailed
from fluxlit.supervisor import procfs
from fluxlit.supervisor.process import STATUS_LOST, Child, spawn
from tests.programs import command, read_all, read_line, running

pytestmark = pytest.mark.usefixtures("leak_free")

SHELL = "/bin/sh"
STATUSES = (0, 1, 2, 3, 42, 77, 100, 125, 128, 143, 200, 254, 255)


@pytest.fixture(params=["pidfd", errno.ENOSYS, errno.EPERM], ids=["pidfd", "ENOSYS", "EPERM"])
def watch(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a pidfd, and where the kernel or the sandbox refuses one."""
    if request.param != "pidfd":
        monkeypatch.setattr(os, "pidfd_open", _raise(request.param))


def _raise(number: int) -> Callable[..., int]:
    def fail(*_: object, **__: object) -> int:
        raise OSError(number, os.strerror(number))

    return fail


@contextmanager
def _no_descriptor_left() -> Generator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    spare = os.open("/dev/null", os.O_RDONLY)
    os.close(spare)
    resource.setrlimit(resource.RLIMIT_NOFILE, (spare, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("watch")
async def test_exit_statuses_are_told_as_they_are() -> None:
    """exited() gives what the process returned, for every sampled status at once."""
    told: dict[int, int] = {}

    async def run(status: int) -> None:
        async with running((SHELL, "-c", f"exit {status}")) as child:
            told[status] = await child.exited()

    async with anyio.create_task_group() as tasks:
        for status in STATUSES:
            tasks.start_soon(run, status)
    assert told == {status: status for status in STATUSES}


@pytest.mark.usefixtures("watch")
async def test_a_death_by_signal_is_the_negative_number() -> None:
    """As with subprocess, -9 is a KILL; a core dump changes nothing."""
    for number in (signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM):
        async with running((SHELL, "-c", f"kill -{int(number)} $$; sleep 100")) as child:
            assert await child.exited() == -number


async def test_waiting_only_peeks() -> None:
    """Until reap() the leader stays a zombie and holds its group's number; then it is gone."""
    async with running((SHELL, "-c", "exit 7")) as child:
        await child.exited()
        zombie = procfs.process(child.pid)
        assert zombie
        assert zombie.state == "Z"
        assert child.reap() == 7
        assert procfs.process(child.pid) is None
        assert (child.reap(), await child.exited(), child.members()) == (7, 7, [])


@pytest.mark.usefixtures("watch")
async def test_several_tasks_may_wait_for_one_exit() -> None:
    """A cancelled waiter takes nothing from the others."""
    told: list[int] = []

    async with running(command("obeys")) as child, anyio.create_task_group() as tasks:

        async def wait() -> None:
            told.append(await child.exited())

        with anyio.move_on_after(0):
            await child.exited()
        tasks.start_soon(wait)
        tasks.start_soon(wait)
        await read_line(child.stdout)
        child.signal(signal.SIGTERM)
    assert told == [0, 0]


async def test_a_running_leader_is_not_reaped() -> None:
    """reap() never blocks the loop: while the process runs it raises."""
    async with running(command("deaf")) as child:
        with pytest.raises(ChildProcessError, match="cannot be reaped"):
            child.reap()


async def test_a_stopped_process_ends_at_once() -> None:
    """TERM brings CONT with it; without, a stopped child would need the KILL."""
    async with running(command("obeys")) as child:
        await read_line(child.stdout)
        child.signal(signal.SIGSTOP)
        child.signal(signal.SIGTERM)
        with anyio.fail_after(5):
            assert await child.exited() == 0


async def test_a_deaf_process_needs_the_kill() -> None:
    """TERM leaves it running, KILL does not."""
    async with running(command("deaf")) as child:
        await read_line(child.stdout)
        child.signal(signal.SIGTERM)
        assert child.members() == [child.pid]
        child.signal(signal.SIGKILL)
        with anyio.fail_after(5):
            await child.gone()
        assert child.reap() == -signal.SIGKILL


@pytest.mark.usefixtures("subreaper")
@pytest.mark.parametrize("where", ["group", "session", "double"])
async def test_what_a_leader_leaves_behind_is_found_and_ended(where: str) -> None:
    """gone() waits for processes that outlive the leader, in its group and escaped from it."""
    async with running(command("orphans", where, "deaf", "5")) as child:
        left = int(await read_line(child.stdout))
        assert await child.exited() == 5
        with anyio.move_on_after(0.1) as too_early:
            await child.gone()
        assert too_early.cancelled_caught
        child.signal(signal.SIGTERM)
        assert child.members() == [left]
        child.signal(signal.SIGKILL)
        with anyio.fail_after(5):
            await child.gone()
        assert child.reap() == 5


@pytest.mark.usefixtures("subreaper")
async def test_escapees_hear_the_term_too() -> None:
    """A polite grandchild in its own session ends without a KILL."""
    async with running(command("orphans", "double", "polite", "0")) as child:
        await read_line(child.stdout)
        await child.exited()
        child.signal(signal.SIGTERM)
        with anyio.fail_after(5):
            await child.gone()


@pytest.mark.usefixtures("subreaper")
async def test_another_instance_is_left_alone() -> None:
    """Escapees are told apart by the name of their instance."""
    async with running(command("obeys"), instance="other") as other:
        await read_line(other.stdout)
        async with running(command("orphans", "session", "polite", "0"), instance="one") as one:
            await read_line(one.stdout)
        assert other.members() == [other.pid]


@pytest.mark.usefixtures("subreaper")
async def test_a_fork_storm_does_not_outrun_the_kill() -> None:
    """Each look of gone() after a KILL sends another."""
    storm = "while :; do ( sleep 0.02 & ) ; done & setsid sh -c 'while :; do sleep 0.01; done' & echo; wait"
    async with running((SHELL, "-c", storm)) as child:
        await read_line(child.stdout)
        child.signal(signal.SIGKILL)
        with anyio.fail_after(10):
            await child.gone()
        assert child.members() == []


async def test_the_environment_is_exactly_what_was_asked_for() -> None:
    """Nothing of ours is inherited; only the name of the instance is added."""
    wanted = {"ONE": "1", "PYTHONHASHSEED": "0", "LC_CTYPE": "C.UTF-8"}
    async with running(command("prints_environ"), environment=wanted, instance="ui-1") as child:
        found = json.loads(await read_all(child.stdout))
    assert found == {**wanted, "FLUXLIT_INSTANCE": "ui-1"}


async def test_only_the_standard_streams_are_inherited() -> None:
    """Not even a descriptor that is marked inheritable reaches the child."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.set_inheritable(True)
        async with running(command("fds")) as child:
            assert await read_all(child.stdout) == "0 1 2\n"


async def test_our_ends_do_not_block_and_input_is_empty() -> None:
    """Reading an idle child raises instead of waiting; the child reads the end of /dev/null."""
    async with running((SHELL, "-c", "read line || echo no input; exec sleep 100")) as child:
        assert await read_line(child.stdout) == "no input"
        for descriptor in (child.stdout, child.stderr):
            with pytest.raises(BlockingIOError):
                os.read(descriptor, 1)
            assert not os.get_inheritable(descriptor)


async def test_streams_are_kept_apart() -> None:
    """A traceback arrives on stderr alone."""
    async with running(command("crashes")) as child:
        assert await child.exited() == 3
        assert await read_all(child.stdout) == ""
        assert "RuntimeError: the reactor is on fire" in await read_all(child.stderr)


async def test_a_flooding_child_is_held_by_its_pipe() -> None:
    """A child that writes without end waits for a reader and still ends on TERM."""
    async with running(command("floods")) as child:
        assert len(await _some(child.stdout, 200_000)) >= 200_000
        child.signal(signal.SIGTERM)
        with anyio.fail_after(5):
            assert await child.exited() == -signal.SIGTERM


async def _some(descriptor: int, least: int) -> bytes:
    data = b""
    while len(data) < least:
        await anyio.wait_readable(descriptor)
        data += os.read(descriptor, 65_536)
    return data


async def test_the_child_runs_in_its_directory(tmp_path: object) -> None:
    """spec.directory is where the program finds itself."""
    spec = ServiceSpec("test", (SHELL, "-c", "pwd"), {}, str(tmp_path))
    child = spawn(spec, instance="test")
    assert await read_line(child.stdout) == str(tmp_path)
    await _finish(child)


async def _finish(child: Child) -> int:
    await child.gone()
    os.close(child.stdout)
    os.close(child.stderr)
    return child.reap()


async def test_a_child_spawned_while_term_is_blocked_hears_term() -> None:
    """The mask of the daemon is not handed down."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    try:
        async with running(command("obeys")) as child:
            await read_line(child.stdout)
            child.signal(signal.SIGTERM)
            with anyio.fail_after(5):
                assert await child.exited() == 0
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@pytest.mark.parametrize(("program", "status"), [("/nonexistent", 127), ("/etc/passwd", 126)])
async def test_a_program_that_cannot_run_shows_as_its_status(program: str, status: int) -> None:
    """Missing is 127, not executable 126, and the child's stderr says why."""
    async with running((program,)) as child:
        assert await child.exited() == status
        assert f"cannot run {program}: " in await read_all(child.stderr)


async def test_a_missing_directory_is_permanent() -> None:
    """Trying again does not help; the reason names the directory."""
    with pytest.raises(SpawnFailed, match=r"cannot start ui: .*: /nonexistent") as failure:
        spawn(ServiceSpec("ui", ("true",), {}, "/nonexistent"), instance="test")
    assert failure.value.permanent


async def test_an_impossible_argument_is_permanent() -> None:
    """A NUL cannot be passed to any program."""
    with pytest.raises(SpawnFailed, match="null byte") as failure:
        spawn(ServiceSpec("ui", ("a\0b",), {}), instance="test")
    assert failure.value.permanent


async def test_exhausted_descriptors_are_transient() -> None:
    """EMFILE means: try again later; nothing leaks."""
    with _no_descriptor_left(), pytest.raises(SpawnFailed, match="Too many open files") as failure:
        spawn(ServiceSpec("ui", ("true",), {}), instance="test")
    assert not failure.value.permanent


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOMEM])
async def test_a_refused_fork_is_transient(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's words for "no more processes" and "no more memory" lead to another try."""
    monkeypatch.setattr(subprocess, "Popen", _raise(number))
    with pytest.raises(SpawnFailed) as failure:
        spawn(ServiceSpec("ui", ("true",), {}), instance="test")
    assert not failure.value.permanent


async def test_a_child_that_cannot_be_watched_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """EMFILE at the pidfd, after the fork: the child is ended and reaped, the try counts as transient."""
    monkeypatch.setattr(os, "pidfd_open", _raise(errno.EMFILE))
    with pytest.raises(SpawnFailed) as failure:
        spawn(ServiceSpec("ui", ("sleep", "100"), {}), instance="test")
    assert not failure.value.permanent


@pytest.mark.usefixtures("subreaper")
async def test_a_killed_daemon_takes_its_child_along() -> None:
    """A kill -9 of the daemon ends the service within a second, without anybody's help."""
    daemon = command("daemon", *command("deaf"), site=True)
    async with running(daemon, environment=dict(os.environ), instance="daemon") as child:
        service = int(await read_line(child.stdout))
        descriptor = os.pidfd_open(service)
        os.kill(child.pid, signal.SIGKILL)
        with anyio.fail_after(1):
            await anyio.wait_readable(descriptor)
        os.close(descriptor)
        assert os.waitstatus_to_exitcode(os.waitpid(service, 0)[1]) == -signal.SIGKILL


async def test_owned_holds_the_leader_until_it_is_reaped() -> None:
    """The orphan reaper must keep its hands off exactly that long."""
    owned: set[int] = set()
    async with running((SHELL, "-c", "exit 0"), owned=owned) as child:
        await child.exited()
        assert owned == {child.pid}
    assert owned == set()


@pytest.mark.usefixtures("watch")
async def test_an_abandoned_child_wakes_those_who_wait() -> None:
    """Giving up on an unkillable process ends the waiting and frees the descriptor."""
    owned: set[int] = set()
    child = spawn(ServiceSpec("test", command("deaf"), {}), instance="test", owned=owned)
    woken = anyio.Event()

    async def wait() -> None:
        with pytest.raises(anyio.ClosedResourceError):
            await child.exited()
        woken.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        child.abandon()
        await woken.wait()
    assert owned == set()
    child.signal(signal.SIGKILL)
    os.kill(child.pid, signal.SIGKILL)
    assert os.waitpid(child.pid, 0)[0] == child.pid
    os.close(child.stdout)
    os.close(child.stderr)
    await _threads_end()


async def _threads_end() -> None:
    with anyio.fail_after(5):
        while any(thread.name.startswith("exit of") for thread in threading.enumerate()):
            await anyio.sleep(0.005)


async def test_a_stolen_status_is_not_a_clean_exit() -> None:
    """If other code of ours reaps the leader, that shows as STATUS_LOST and breaks nothing else."""
    async with running((SHELL, "-c", "exit 0")) as child:
        await child.exited()
        fresh = Child(child.pid, child.stdout, child.stderr, "test", child._watch, set())  # type: ignore[arg-type]
        os.waitpid(child.pid, 0)
        assert await fresh.exited() == STATUS_LOST


async def test_it_shows_what_an_operator_asks_for() -> None:
    """The repr names instance, pid and state."""
    async with running((SHELL, "-c", "exit 4"), instance="ui-1") as child:
        await child.exited()
        assert repr(child) == f"<Child ui-1 {child.pid} returned 4>"

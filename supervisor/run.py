"""The daemon: listener, gateway, API and supervisor in one task group; the order up and the order down."""

import faulthandler
import os
import platform
import random
import signal
import socket
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn, cast

import anyio
from anyio.abc import TaskGroup

from fluxlit import log as logs
from fluxlit.config.load import Loaded
from fluxlit.config.report import describe
from fluxlit.config.settings import Settings
from fluxlit.errors import ExitStatus, FluxlitError, ImpossibleEventError
from fluxlit.gateway import library
from fluxlit.gateway.app import build_gateway
from fluxlit.gateway.asgi import ASGIApp, Receive, Scope, Send
from fluxlit.gateway.assets import Assets
from fluxlit.gateway.lifespan import lifespan
from fluxlit.gateway.server.limits import Limits
from fluxlit.gateway.server.listen import PrivateListener, bind
from fluxlit.gateway.server.serve import Server
from fluxlit.log.printed import printing
from fluxlit.relay.client import Relay
from fluxlit.sidecar.command import service
from fluxlit.status import Snapshot, StatusBoard
from fluxlit.supervisor import guardian
from fluxlit.supervisor.control import Abilities, Control
from fluxlit.supervisor.driver import ExitVerdict, Supervisor
from fluxlit.supervisor.launcher import ProcessLauncher
from fluxlit.supervisor.machine.budget import AUTO_TOTAL
from fluxlit.supervisor.notify import Notifier, notifier
from fluxlit.supervisor.reaper import OrphanReaper, become_subreaper
from fluxlit.supervisor.report import Reporter
from fluxlit.supervisor.settle import settled
from fluxlit.supervisor.signals import receive_signals
from fluxlit.supervisor.state import State, claim, places
from fluxlit.target import load_app

GUARD_MARGIN = 3.0
"""Seconds after shutdown.total at which the process ends itself even with the GIL stuck in C code."""
STOPS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP})
"""What ends the daemon. HUP is among them as long as nothing can be reloaded: a closed terminal
sends it too, and a daemon that ignored it would outlive its user's session."""
LEAST_NAP = 0.5
"""Seconds between two looks at idle connections, whatever the settings say."""
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Where to reach ourselves when we listen everywhere."""

_AT_THE_END = ExitStack()
"""What must be given back however the process ends of its own will: the state directory."""

log = logs.get_logger("fluxlit.daemon")


def main(loaded: Loaded) -> NoReturn:
    """Serve until told to stop, and end the process with its exit status.

    Mistakes of the user's (configuration, target, address) are a line each on standard error, with
    nothing started. The process leaves by os._exit: a user's thread that never ends, or a failing
    flush of standard output (which would turn any status into 120), changes nothing any more.
    """
    logs.configure(loaded.settings.log)
    faulthandler.enable()
    try:
        with printing(loaded.settings.log):
            status = _serve(loaded)
    except BaseException as error:  # noqa: BLE001 - told and turned into the exit status
        status = _tell(_sole(error))
    _leave(status)


def _sole(error: BaseException) -> BaseException:
    """What is in a task group's group when there is only one: the user's mistake, not our structure."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    group = cast("BaseExceptionGroup[BaseException]", error)
    return _sole(group.exceptions[0]) if len(group.exceptions) == 1 else group


def _tell(error: BaseException) -> int:
    """Say why the daemon ends; gives its exit status."""
    if isinstance(error, FluxlitError):
        logs.close()
        for line in describe(error):
            sys.stderr.write(f"{line}\n")
        return int(error.exit_status)
    if isinstance(error, ImpossibleEventError):
        log.error("daemon.broken_invariant", exc_info=error)
        return ExitStatus.INVARIANT
    log.error("daemon.crashed", exc_info=error)
    return ExitStatus.FAILED


def _leave(status: int) -> NoReturn:
    logs.close()
    _AT_THE_END.close()
    guardian.dismiss()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


def _serve(loaded: Loaded) -> int:
    settings = settled(loaded.settings, Path.cwd())
    manager = notifier(os.environ)
    state = _claim_state(settings)
    # The address before anything slow: a busy port is told in milliseconds, and from here on
    # clients wait in the backlog instead of being refused.
    listeners = bind(settings.gateway, os.environ)
    try:
        api = _load(settings)
    except BaseException:
        for listener in listeners:
            listener.close()
        raise
    for warning in loaded.warnings:
        log.warning("config.warning", message=warning)
    verdict = anyio.run(
        _Daemon(settings, listeners, api, state, manager).run,
        backend=settings.backend,
        backend_options={"use_uvloop": True} if settings.backend == "asyncio" else {},
    )
    log.info("daemon.exited", status=verdict.status, reason=verdict.reason)
    return verdict.status


def _claim_state(settings: Settings) -> State | None:
    """Take the state directory, and end what a daemon that was killed in it has left behind."""
    for place in places(settings, os.environ, Path.cwd()):
        # Before anything is there: we may be killed at any moment from now on.
        guardian.entrust(str(place.path))
    state = claim(settings, os.environ, Path.cwd())
    if state is None:
        log.warning(
            "daemon.without_state",
            message="no folder can be written: no lock, no control socket; see state_dir",
        )
        return None
    _AT_THE_END.callback(state.release)
    guardian.sweep(state.former)
    state.sign(os.environ.get(guardian.MARK, ""))
    return state


def _load(settings: Settings) -> ASGIApp:
    with _stoppable():
        app = load_app(settings.target, Path.cwd(), api_prefix=settings.gateway.api_prefix)
        app.default_title(settings.title)
        api: ASGIApp = app.api
        return api


@contextmanager
def _stoppable() -> Generator[None, None, None]:
    """Let a stop signal end the process while the user's code is imported: nothing is started yet.

    The event loop that receives signals does not run, and an import may wait for a database.
    """

    def leave(_number: int, _frame: object) -> None:
        _leave(ExitStatus.OK)

    before = {number: signal.signal(number, leave) for number in STOPS}
    mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in before.items():
            signal.signal(number, handler)


class _Daemon:
    """Everything that runs at once, and the two orders: up and down."""

    def __init__(
        self,
        settings: Settings,
        listeners: list[socket.socket],
        api: ASGIApp,
        state: State | None = None,
        manager: Notifier | None = None,
    ) -> None:
        self._settings = settings
        self._state = state
        self._manager = manager
        self._listeners = listeners
        self._api = api
        self._board = StatusBoard()
        self._reaper = OrphanReaper()
        self._relay = Relay(settings.relay, max_message=settings.gateway.max_websocket_message)
        self._gate = _Gate()
        folder = library.find() if settings.assets.enabled else None
        self._assets = Assets.of(folder, settings.assets.memory)
        gateway = build_gateway(settings, self._board, self._gate, self._relay, assets=self._assets)
        limits = Limits(
            idle=settings.gateway.keep_alive_timeout,
            ping=settings.relay.websocket_ping_interval,
            pong=settings.relay.websocket_ping_timeout,
        )
        self._server = Server(gateway, listeners, settings.gateway, limits=limits)
        self._stopping = 0
        self._on_stop: Callable[[int], None] = lambda _number: None
        self._supervisor: Supervisor | None = None

    async def run(self) -> ExitVerdict:
        """Up: signals, listener, API, services. Down: the supervisor's tables decide; then the API."""
        self._board.publish(Snapshot(since=anyio.current_time()))
        become_subreaper()
        verdict = ExitVerdict(ExitStatus.OK, "stopped before it had started")
        async with anyio.create_task_group() as tasks:
            self._on_stop = lambda _number: tasks.cancel_scope.cancel()
            await tasks.start(receive_signals, self._signalled)
            _announce(self._settings, self._listeners)
            if self._manager is not None:
                tasks.start_soon(self._manager.run, self._board)
            self._control(tasks)
            await tasks.start(self._server.serve)
            tasks.start_soon(self._reaper.run)
            tasks.start_soon(self._expire)
            if self._assets is not None:
                tasks.start_soon(self._assets.run, self._board)
            async with lifespan(self._api) as api:
                self._gate.open(api)
                verdict = await self._supervise()
            tasks.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await self._relay.aclose()
        return verdict

    def _control(self, tasks: TaskGroup) -> None:
        """Open the control socket; without one the daemon serves all the same."""
        if self._state is None:
            return
        abilities = Abilities(
            status=Reporter(self._settings, self._board, tuple(_addresses(self._listeners))),
            stop=lambda: self._signalled(signal.SIGTERM),
            drain=self._drain,
            restart=self._roll,
        )
        try:
            control = Control(self._state.listen(), abilities)
        except OSError as error:
            log.warning("daemon.without_control", message=error.strerror or str(error))
            return
        tasks.start_soon(control.serve)

    def _drain(self) -> None:
        if self._supervisor is not None:
            self._supervisor.drain()

    def _roll(self) -> None:
        if self._supervisor is not None:
            self._supervisor.roll()

    async def _expire(self) -> None:
        """Close idle connections to services on time, also when no request comes by to do it."""
        while True:
            await anyio.sleep(max(self._settings.relay.keep_alive, LEAST_NAP))
            await self._relay.expire()

    async def _supervise(self) -> ExitVerdict:
        tcp = next(each for each in self._listeners if each.family != socket.AF_UNIX)
        where = tcp.getsockname()
        spec = service(
            self._settings,
            directory=Path.cwd(),
            api_base=own_address(where[0], where[1]) + self._settings.gateway.api_prefix,
            environ=os.environ,
        )
        supervisor = Supervisor(
            [spec],
            self._settings,
            self._board,
            launcher=ProcessLauncher(self._reaper.owned),
            random=random.random,
            close_gateway=self._server.close,
        )
        self._on_stop = supervisor.signalled
        self._supervisor = supervisor
        return await supervisor.run()

    def _signalled(self, number: int) -> None:
        """Every signal arrives here, in the event loop."""
        log.info("daemon.signal", signal=signal.Signals(number).name)
        if number not in STOPS:
            if number == signal.SIGUSR2:
                self._roll()
            if number == signal.SIGUSR1:
                faulthandler.dump_traceback()
            return
        if not self._stopping:
            total = self._settings.shutdown.total or AUTO_TOTAL
            faulthandler.dump_traceback_later(total + GUARD_MARGIN, exit=True)
        if number == signal.SIGQUIT:
            faulthandler.dump_traceback()
        self._stopping += 1
        self._on_stop(number)


class _Gate:
    """The API as the gateway sees it: requests wait until its startup is done."""

    def __init__(self) -> None:
        self._opened = anyio.Event()
        self._app: ASGIApp | None = None

    def open(self, app: ASGIApp) -> None:
        """Let requests through to ``app``."""
        self._app = app
        self._opened.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one scope, once there is an app."""
        if self._app is None:
            await self._opened.wait()
        assert self._app is not None  # noqa: S101 - what opened means
        await self._app(scope, receive, send)


def own_address(host: str, port: int) -> str:
    """The URL by which this machine reaches a socket bound to ``host`` and ``port``."""
    reachable = WILDCARDS.get(host, host)
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


def _announce(settings: Settings, listeners: list[socket.socket]) -> None:
    log.info(
        "daemon.started",
        version=version("fluxlit"),
        python=platform.python_version(),
        backend=settings.backend,
        pid=os.getpid(),
        target=settings.target,
    )
    for listener in listeners:
        if listener.family == socket.AF_UNIX:
            log.info("daemon.listening", uds=_path(listener))
        elif not isinstance(listener, PrivateListener):
            host, port, *_ = listener.getsockname()
            url = own_address(host, port) + settings.gateway.root_path
            docs = f"{url}{settings.gateway.api_prefix}/docs"
            log.info(
                "daemon.listening",
                message=f"Open {url}/ in a browser; the API describes itself at {docs}",
                host=host,
                port=port,
                url=f"{url}/",
            )


def _addresses(listeners: list[socket.socket]) -> Iterator[str]:
    """Where we listen, as users write it."""
    for listener in listeners:
        if listener.family == socket.AF_UNIX:
            yield f"unix:{_path(listener)}"
        elif not isinstance(listener, PrivateListener):
            yield own_address(*listener.getsockname()[:2])


def _path(listener: socket.socket) -> str:
    name = listener.getsockname()
    # The name of an abstract socket is bytes that begin with NUL, unix(7).
    return f"@{name[1:].decode(errors='replace')}" if isinstance(name, bytes) else str(name)

"""The control socket: a few commands for whoever is this user, over a Unix socket and nothing else.

Nothing said here runs a program or names a file. Who connects is known by SO_PEERCRED (unix(7)),
what is read is bounded in bytes, in time and in the number of connections.
"""

import os
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import anyio
from anyio.abc import TaskStatus

from fluxlit import log as logs
from fluxlit.protocol.control import Command, Frames, Refused, Request, encode, parse, refusal

CONNECTIONS = 16
"""At once: a person, a script and a status that is watched, many times over."""
DEADLINE = 5.0
"""Seconds for one whole frame to come, and for one answer to be taken."""
FOLLOW = 0.2
"""Seconds between two looks at the log for those who follow it: any thread may log."""
PAUSE = 0.1
"""Seconds after a failed accept (no descriptor left), so that it does not spin."""
RECEIVE = 16_384
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid

log = logs.get_logger("fluxlit.control")
Ask = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Abilities:
    """What the daemon can do when asked; None is not available yet, and said so."""

    status: Callable[[], Awaitable[Mapping[str, object]]]
    stop: Ask
    drain: Ask | None = None
    restart: Ask | None = None
    reload: Ask | None = None

    def of(self, command: Command) -> Ask | None:
        """What a command without an answer of its own asks for."""
        return {
            Command.STOP: self.stop,
            Command.DRAIN: self.drain,
            Command.RESTART: self.restart,
            Command.RELOAD: self.reload,
        }[command]


class Control:
    """Serves the control socket, which it owns."""

    def __init__(self, listener: socket.socket, abilities: Abilities) -> None:
        self._listener = listener
        self._abilities = abilities
        self.connections = 0

    def __repr__(self) -> str:
        return f"<Control {self.connections} connections>"

    async def serve(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Answer until cancelled."""
        with self._listener:
            async with anyio.create_task_group() as tasks:
                task_status.started()
                while True:
                    await anyio.wait_readable(self._listener)
                    try:
                        client, _ = self._listener.accept()
                    except (BlockingIOError, ConnectionAbortedError):
                        continue
                    except OSError:
                        await anyio.sleep(PAUSE)
                        continue
                    if self._admit(client):
                        tasks.start_soon(self._serve, client)

    def _admit(self, client: socket.socket) -> bool:
        client.setblocking(False)
        uid = peer(client)
        if uid not in {os.geteuid(), 0}:
            log.warning("control.refused", uid=uid)
            _dismiss(client, "only the user of the daemon and root may ask")
        elif self.connections >= CONNECTIONS:
            _dismiss(client, "too many connections")
        else:
            self.connections += 1
            return True
        return False

    async def _serve(self, client: socket.socket) -> None:
        try:
            with client, suppress(OSError, TimeoutError):
                await self._converse(client)
        finally:
            self.connections -= 1

    async def _converse(self, client: socket.socket) -> None:
        frames = Frames()
        while True:
            try:
                with anyio.fail_after(DEADLINE):
                    frame = await _receive(client, frames)
                if frame is None:
                    return
                request = parse(frame)
            except Refused as refused:
                # What follows a broken frame cannot be trusted to be the next one.
                await _send(client, refusal(str(refused)))
                return
            await self._answer(client, request)

    async def _answer(self, client: socket.socket, request: Request) -> None:
        match request.command:
            case Command.STATUS:
                await _send(client, encode({"ok": True, "status": await self._abilities.status()}))
            case Command.LOGS:
                await self._logs(client, request)
            case command:
                await _send(client, self._obey(command))

    def _obey(self, command: Command) -> bytes:
        ask = self._abilities.of(command)
        if ask is None:
            return refusal(f"{command} is not available yet")
        log.info("control.asked", command=command.value)
        ask()
        return encode({"ok": True, "pid": os.getpid()})

    async def _logs(self, client: socket.socket, request: Request) -> None:
        tail = logs.tail()
        at = tail.next - request.lines
        while True:
            lines, at = tail.since(at)
            for line in lines:
                await _send(client, encode({"line": line.decode("utf-8", "replace")}))
            if not request.follow:
                return await _send(client, encode({"ok": True}))
            with anyio.move_on_after(FOLLOW):
                # Whatever a follower sends, its end included, ends the following.
                return await anyio.wait_readable(client)


def peer(client: socket.socket) -> int:
    """The user id of whoever connected; -1 if the system does not say."""
    try:
        said = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    except OSError:
        return -1
    return int(_CREDENTIALS.unpack(said)[1])


def _dismiss(client: socket.socket, why: str) -> None:
    with client, suppress(OSError):
        client.send(refusal(why))


async def _receive(client: socket.socket, frames: Frames) -> bytes | None:
    """The next frame; None when the client has gone."""
    while (frame := frames.next()) is None:
        await anyio.wait_readable(client)
        with suppress(BlockingIOError):
            data = client.recv(RECEIVE)
            if not data:
                return None
            frames.feed(data)
    return frame


async def _send(client: socket.socket, data: bytes) -> None:
    """Send all of it; TimeoutError for a client that does not take it."""
    left = memoryview(data)
    with anyio.fail_after(DEADLINE):
        while left:
            try:
                left = left[client.send(left) :]
            except BlockingIOError:
                await anyio.wait_writable(client)

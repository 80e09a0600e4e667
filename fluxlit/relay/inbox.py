"""Hands messages from the reader of a WebSocket to whoever relays them, with a bound."""

from collections import deque

import anyio

from fluxlit.protocol.closing import Closed, Message


class Inbox:
    """Messages in order and then, for ever, the end.

    It holds one message of any size, or several that together stay within ``room`` (characters or
    bytes): many small messages then cost few switches between tasks.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._held = 0
        self._messages: deque[Message] = deque()
        self._closed: Closed | None = None
        self._dropping = False
        self._filled: anyio.Event | None = None
        self._emptied: anyio.Event | None = None

    @property
    def empty(self) -> bool:
        """Whether no message is held."""
        return not self._messages

    async def put(self, message: Message) -> None:
        """Add a message; waits while there is no room for it. One task only."""
        size = len(message.data)
        while self._messages and self._held + size > self._room and not self._dropping:
            self._emptied = anyio.Event()
            await self._emptied.wait()
        if self._dropping:
            return
        self._messages.append(message)
        self._held += size
        self._wake_taker()

    def close(self, closed: Closed) -> None:
        """Nothing follows; what is held is still handed out first."""
        self._closed = closed
        self._wake_taker()

    def drop(self) -> None:
        """Nobody wants messages any more: forget those held and those to come."""
        self._dropping = True
        self._messages.clear()
        self._wake_putter()

    async def take(self) -> Message | Closed:
        """The next message, or the end; waits for either. One task only."""
        while not self._messages:
            if self._closed is not None:
                return self._closed
            self._filled = anyio.Event()
            await self._filled.wait()
        message = self._messages.popleft()
        self._held -= len(message.data)
        self._wake_putter()
        return message

    def _wake_taker(self) -> None:
        if self._filled is not None:
            self._filled.set()
            self._filled = None

    def _wake_putter(self) -> None:
        if self._emptied is not None:
            self._emptied.set()
            self._emptied = None

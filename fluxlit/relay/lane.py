"""The connections to one endpoint: carries out what the Pool decides."""

from dataclasses import dataclass, field

import anyio

from fluxlit.config.settings import Relay as Settings
from fluxlit.errors import UpstreamTimeout
from fluxlit.protocol.pool import Freed, Open, Pool, Use, Wait
from fluxlit.relay.connection import Connection
from fluxlit.relay.stream import Connector, Stream, open_stream
from fluxlit.status import Endpoint


@dataclass(slots=True)
class _Turn:
    granted: anyio.Event = field(default_factory=anyio.Event)
    decision: Use | Open | None = None


class Lane:
    """Opens, lends and closes the connections to ``endpoint``."""

    def __init__(self, endpoint: Endpoint, settings: Settings, connector: Connector) -> None:
        self._endpoint = endpoint
        self._settings = settings
        self._connector = connector
        self._pool = Pool(settings.max_connections, settings.keep_alive)
        self._streams: dict[int, Stream] = {}
        self._turns: dict[int, _Turn] = {}
        self._last_ticket = 0

    @property
    def empty(self) -> bool:
        """Whether nothing is open and nobody waits."""
        return self._pool.empty

    async def acquire(self) -> Connection:
        """A connection for one exchange, to be given back with ``release`` in any case.

        Raises ConnectFailed, or UpstreamTimeout("connect") also when no turn came within the time
        an answer may take.
        """
        self._last_ticket += 1
        ticket = self._last_ticket
        decision = self._pool.ask(ticket, anyio.current_time())
        self._close(decision.close)
        if isinstance(decision, Wait):
            decision = await self._turn(ticket)
        if isinstance(decision, Use):
            return await self._use(decision.slot)
        return await self._open(decision.slot)

    async def renew(self, dead: Connection) -> None:
        """Give ``dead``, whose stream turned out to be closed, a new one; still to be released."""
        self._pool.reopen(dead.slot)
        self._close((dead.slot,))
        dead.restart(await self._connect(dead.slot))

    def release(self, connection: Connection) -> None:
        """Take a connection back: kept if another exchange may follow, else closed at once."""
        if connection.reusable:
            self._settle(self._pool.released(connection.slot, anyio.current_time()))
            return
        self._close((connection.slot,))
        self._settle(self._pool.lost(connection.slot))

    def expire(self) -> None:
        """Close what has idled long enough."""
        self._close(self._pool.expire(anyio.current_time()))

    def retire(self) -> None:
        """The endpoint is gone: close what idles, keep nothing more."""
        self._close(self._pool.retire())

    async def _turn(self, ticket: int) -> Use | Open:
        turn = self._turns[ticket] = _Turn()
        try:
            with anyio.move_on_after(self._settings.head_timeout):
                await turn.granted.wait()
        except BaseException:
            self._withdraw(ticket)
            raise
        if turn.decision is None:
            self._withdraw(ticket)
            raise UpstreamTimeout("connect")
        del self._turns[ticket]
        return turn.decision

    def _withdraw(self, ticket: int) -> None:
        del self._turns[ticket]
        self._settle(self._pool.withdraw(ticket, anyio.current_time()))

    async def _use(self, slot: int) -> Connection:
        self._pool.used(slot)
        stream = self._streams[slot]
        # Readable while idle: the upstream closed it, or sent what nobody asked for.
        if not stream.has_ended():
            return Connection(stream, self._settings, slot, reused=True)
        self._pool.reopen(slot)
        self._close((slot,))
        return await self._open(slot)

    async def _open(self, slot: int) -> Connection:
        try:
            stream = await self._connect(slot)
        except BaseException:
            self._settle(self._pool.lost(slot))
            raise
        return Connection(stream, self._settings, slot)

    async def _connect(self, slot: int) -> Stream:
        seconds = self._settings.connect_timeout
        stream = await open_stream(self._connector, self._endpoint, seconds)
        self._streams[slot] = stream
        self._pool.opened(slot)
        return stream

    def _settle(self, freed: Freed) -> None:
        self._close(freed.close)
        if freed.grant is not None:
            turn = self._turns[freed.grant.ticket]
            turn.decision = freed.grant.decision
            turn.granted.set()

    def _close(self, slots: tuple[int, ...]) -> None:
        for slot in slots:
            stream = self._streams.pop(slot, None)
            if stream is not None:
                stream.close()

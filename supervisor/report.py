"""The status document: everything an operator wants to know of a running daemon, as JSON can hold it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version

import anyio
import anyio.to_thread

from fluxlit.config.settings import Settings
from fluxlit.status import InstanceStatus, Snapshot, StatusBoard
from fluxlit.supervisor.usage import Usage, usage, usage_of


@dataclass(frozen=True, slots=True)
class Reporter:
    """Makes the document; ``addresses`` are where we listen, as users write them."""

    settings: Settings
    board: StatusBoard
    addresses: tuple[str, ...]

    async def __call__(self) -> dict[str, object]:
        """The document of this moment. Counting memory takes milliseconds, so a thread does it."""
        seen = self.board.snapshot
        pids = [instance.pid for instance in seen.instances if instance.pid]
        used, own = await anyio.to_thread.run_sync(_measure, pids)
        return self._document(seen, anyio.current_time(), used, own)

    def _document(
        self, seen: Snapshot, now: float, used: Mapping[int, Usage], own: Usage
    ) -> dict[str, object]:
        total = self.board.total
        everything = [own, *used.values()]
        return {
            "version": version("fluxlit"),
            "pid": os.getpid(),
            "target": self.settings.target,
            "backend": self.settings.backend,
            "listening": list(self.addresses),
            "phase": seen.daemon.value,
            "for_seconds": round(now - seen.since, 3),
            "generation": seen.generation,
            "restarts": seen.restarts,
            "retry_after": None if seen.retry_at is None else round(max(0, seen.retry_at - now), 3),
            "last_failure": seen.last_failure,
            "requests": total.requests,
            "sessions": total.sessions,
            "memory": {
                "rss": sum(each.rss for each in everything),
                "pss": sum(each.rss if each.pss is None else each.pss for each in everything),
            },
            "daemon": _used(own),
            "instances": [self._instance(each, now, used) for each in seen.instances],
        }

    def _instance(
        self, instance: InstanceStatus, now: float, used: Mapping[int, Usage]
    ) -> dict[str, object]:
        load = self.board.load(instance.id)
        return {
            "id": instance.id,
            "service": instance.service,
            "slot": instance.slot,
            "generation": instance.generation,
            "phase": instance.phase.value,
            "for_seconds": round(now - instance.since, 3),
            "pid": instance.pid,
            "endpoint": str(instance.endpoint) if instance.endpoint else None,
            "requests": load.requests,
            "sessions": load.sessions,
            **_used(used.get(instance.pid or 0, Usage())),
        }


def _measure(pids: list[int]) -> tuple[dict[int, Usage], Usage]:
    return usage(pids), usage_of(os.getpid())


def _used(used: Usage) -> dict[str, object]:
    return {
        "processes": used.processes,
        "rss": used.rss,
        "pss": used.pss,
        "cpu_seconds": round(used.cpu, 3),
        "uptime": round(used.uptime, 3),
    }

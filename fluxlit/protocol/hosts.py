"""Which hosts are ours, where somebody has said so: the gate against DNS rebinding; pure.

A page of another site may point its own name at our address; the browser then takes us for that
site. Only the name in Host tells the two apart.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from fluxlit.protocol.refusal import Refusal


@dataclass(frozen=True, slots=True)
class Hosts:
    """Names in lower case without port; ``endings`` start with a dot. Empty lets any host in."""

    names: frozenset[str] = frozenset()
    endings: tuple[str, ...] = ()

    @classmethod
    def of(cls, allowed: Iterable[str]) -> "Hosts":
        """From the setting: ``app.example.com``, ``*.example.com`` for every name below, or ``*``."""
        texts = [text.strip().lower() for text in allowed]
        if "*" in texts:
            return cls()
        endings = tuple(text[1:] for text in texts if text.startswith("*."))
        return cls(frozenset(bare(text) for text in texts if not text.startswith("*.")), endings)

    def judge(self, host: str) -> None:
        """Refuse (421) a host that is not listed; its port does not count."""
        if not self.names and not self.endings:
            return
        name = bare(host.lower())
        if name in self.names or (self.endings and name.endswith(self.endings)):
            return
        raise Refusal(
            421,
            "This host is not served here.",
            hint=f"Host {host!r} is not in gateway.allowed_hosts",
            severs=True,
        )


def bare(host: str) -> str:
    """A host without its port and the dot at its end; an IPv6 address keeps its brackets."""
    name, colon, port = host.rpartition(":")
    without = name if colon and port.isdigit() and not name.endswith(":") else host
    return without.removesuffix(".")

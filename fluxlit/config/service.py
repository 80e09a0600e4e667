"""What the supervisor must know to run a service, whatever the service is."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """One supervised service: its command and how to tell that it answers.

    ``argv`` is executed without a shell in ``directory`` with exactly ``environment``. The service
    listens on a loopback port of its own choice; the supervisor finds it among the sockets of the
    process. It is up when GET ``ready_path`` answers 200 with exactly ``ready_body`` (None: any
    body): Streamlit answers 200 with its page on unknown paths, so a status alone proves nothing.
    ``replicas`` of it run side by side.
    """

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    directory: str = "."
    ready_path: str = "/"
    ready_body: bytes | None = None
    replicas: int = 1

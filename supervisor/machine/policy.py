"""The settings that the lifecycle rules read, in one value."""

from dataclasses import dataclass

from fluxlit.config.settings import Settings, Sidecar
from fluxlit.supervisor.machine.budget import Budget, split


@dataclass(frozen=True, slots=True)
class Policy:
    """How instances are kept alive, and how the seconds of the way down are shared out."""

    sidecar: Sidecar
    budget: Budget


def policy_of(settings: Settings) -> Policy:
    """The policy that ``settings`` ask for."""
    return Policy(settings.sidecar, split(settings.shutdown, settings.sidecar.stop_timeout))

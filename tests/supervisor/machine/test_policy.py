"""Settings become the policy of the lifecycle rules."""

from fluxlit.config.settings import Settings, Shutdown, Sidecar
from fluxlit.supervisor.machine.budget import split
from fluxlit.supervisor.machine.policy import policy_of


def test_the_budget_is_split_from_the_settings() -> None:
    """The policy carries the sidecar's settings as they are, and shutdown.total shared out with its stop_timeout."""
    settings = Settings(
        sidecar=Sidecar(stop_timeout=3.0), shutdown=Shutdown(total=40.0, lame_duck=6.0)
    )
    policy = policy_of(settings)
    assert policy.sidecar is settings.sidecar
    assert policy.budget == split(settings.shutdown, 3.0)
    assert (policy.budget.lame_duck, policy.budget.stop) == (6.0, 3.0)

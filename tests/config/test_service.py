"""The description of a service."""

import dataclasses

import pytest

from fluxlit.config.service import ServiceSpec


def test_a_spec_is_fixed() -> None:
    """A running service cannot change under its supervisor, and inherits no environment by default."""
    spec = ServiceSpec("ui", ("true",))
    assert spec.environment == {}
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.name = "x"  # type: ignore[misc]

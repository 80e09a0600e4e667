"""Facts that defaults rest on."""

import dataclasses

import pytest

from fluxlit.config.settings import Settings


def test_settings_are_frozen() -> None:
    """Nobody changes settings in passing."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().title = "x"  # type: ignore[misc]


def test_safe_defaults() -> None:
    """Out of the box only this machine can connect, and no forwarding header is believed."""
    gateway = Settings().gateway
    assert (gateway.host, gateway.trust_proxy, gateway.forwarded_allow_ips) == (
        "127.0.0.1",
        False,
        (),
    )


def test_pooled_connections_end_before_streamlit_ends_them() -> None:
    """Streamlit's server closes idle connections after 5 s; ours must be gone by then."""
    assert Settings().relay.keep_alive < 5

"""The configuration that Hypercorn's classes read."""

from importlib.metadata import version

from fluxlit.config.settings import Gateway
from fluxlit.gateway.server.limits import HYPERCORN, hypercorn_config


def test_version_is_the_one_the_subclasses_are_written_for() -> None:
    """Another Hypercorn is refused at import; the installed one is the pinned one."""
    assert version("hypercorn") == HYPERCORN


def test_settings_arrive() -> None:
    """Message size from the settings; no second Date, Server or log from Hypercorn."""
    config = hypercorn_config(Gateway(max_websocket_message=77))
    assert config.websocket_max_message_size == 77
    assert config.response_headers("h11") == []
    assert config.log.access_logger is None

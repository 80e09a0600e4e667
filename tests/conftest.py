"""Backends for every asynchronous test: asyncio, uvloop and trio; or clocks that jump."""

import pytest

from tests.clocks import JUMPING, REAL, Backend


@pytest.fixture
def anyio_backend(request: pytest.FixtureRequest) -> Backend:
    """Replaces the plugin's own, whose parameters cannot depend on a marker."""
    backends = {**REAL, **JUMPING}
    return backends[request.param]()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every asynchronous test runs on all backends; those marked autojump on jumping clocks."""
    if "anyio_backend" not in metafunc.fixturenames:
        return
    backends = JUMPING if metafunc.definition.get_closest_marker("autojump") else REAL
    metafunc.parametrize("anyio_backend", list(backends), indirect=True)

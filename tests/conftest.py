"""Backends for every asynchronous test: asyncio, uvloop and trio; or clocks that jump."""

import os
from collections.abc import Generator

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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where nothing may be skipped (CI), a skip is a failure."""
    report = yield
    if (
        report.skipped
        and not hasattr(report, "wasxfail")
        and os.environ.get("FLUXLIT_TESTS_NO_SKIP")
    ):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, which is not allowed here: {report.longrepr}"
    return report

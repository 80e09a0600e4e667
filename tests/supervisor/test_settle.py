"""What is found out once at the start."""

import os
from pathlib import Path

import pytest

from fluxlit.config.settings import Settings, Sidecar
from fluxlit.supervisor.settle import cpus, settled, streamlit_secret


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    return home


def config(folder: Path, text: str) -> None:
    """Write a Streamlit configuration there."""
    (folder / ".streamlit").mkdir(parents=True)
    (folder / ".streamlit/config.toml").write_text(text)


def test_auto_replicas_are_counted(tmp_path: Path) -> None:
    """At least one; a number stays."""
    auto = settled(Settings(sidecar=Sidecar(replicas=None)), tmp_path)
    assert auto.sidecar.replicas == cpus()
    assert settled(Settings(sidecar=Sidecar(replicas=7)), tmp_path).sidecar.replicas == 7


@pytest.mark.parametrize(
    ("quota", "expected"),
    [("50000 100000", 1), ("100000 100000", 1), ("9900000 100000", None), ("max 100000", None)],
)
def test_a_quota_counts(tmp_path: Path, quota: str, expected: int | None) -> None:
    """A container with half a CPU gets one process, whatever the machine has."""
    (tmp_path / "cpu.max").write_text(f"{quota}\n")
    allowed = len(os.sched_getaffinity(0))
    assert cpus(tmp_path / "cpu.max") == (expected or allowed)
    assert cpus(tmp_path / "missing") == allowed


def test_the_configured_secret_stays(tmp_path: Path) -> None:
    """It beats Streamlit's own file."""
    config(tmp_path, '[server]\ncookieSecret = "file"\n')
    secret = settled(Settings(sidecar=Sidecar(cookie_secret="mine")), tmp_path)
    assert secret.sidecar.cookie_secret == "mine"


def test_the_secret_of_streamlit_s_file_is_used(tmp_path: Path, home: Path) -> None:
    """The project's first, then the user's: logins made before stay valid."""
    config(home, '[server]\ncookieSecret = "home"\n')
    assert settled(Settings(), tmp_path).sidecar.cookie_secret == "home"
    config(tmp_path, '[server]\ncookieSecret = "project"\n')
    assert settled(Settings(), tmp_path).sidecar.cookie_secret == "project"


@pytest.mark.parametrize(
    "text", ["[server", "server = 1", "[server]\ncookieSecret = 1", "[server]\ncookieSecret = ''"]
)
def test_without_a_secret_each_start_makes_one(tmp_path: Path, text: str) -> None:
    """Also when the file says nothing that can be used."""
    config(tmp_path, text)
    assert streamlit_secret(tmp_path) == ""
    made = {settled(Settings(), tmp_path).sidecar.cookie_secret for _ in range(3)}
    assert len(made) == 3
    assert all(len(secret) == 64 for secret in made)

"""The README is current: its diagrams are the tables', its app runs, its files exist."""

import re
from pathlib import Path

import pytest

from fluxlit.errors import ExitStatus
from fluxlit.supervisor.machine.diagram import daemon_diagram, instance_diagram
from tests.doubles.streamlit_session import StreamlitSession
from tests.system.conftest import Start, start

__all__ = ["start"]

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize(
    ("name", "text"), [("daemon", daemon_diagram()), ("instance", instance_diagram())]
)
def test_the_state_diagrams_are_drawn_from_the_tables(name: str, text: str) -> None:
    """What stands in the README between the markers is what the tables say."""
    assert f"<!-- diagram: {name} -->\n```mermaid\n{text.strip()}\n```\n" in README


def test_the_app_of_the_readme_runs(start: Start) -> None:
    """The fifteen lines that a new user copies."""
    source = re.search(r"```python\n# app\.py\n(.*?)```", README, re.DOTALL)
    assert source is not None
    assert len([line for line in source[1].splitlines() if line.strip()]) <= 15
    daemon = start("app:app", files={"app.py": source[1]}).wait_ready()
    assert daemon.ask("/api/hello?name=Ada").json() == {"greeting": "Hello, Ada!"}
    with StreamlitSession(daemon.port) as session:
        session.run()
        assert "Hello, world!" in " ".join(session.texts)


def test_every_exit_status_is_explained() -> None:
    """The table in the README has a row for each status that the code knows."""
    for status in ExitStatus:
        assert re.search(rf"\| {status.value} \|", README), status


@pytest.mark.parametrize("target", re.findall(r"\]\((?!http)([^)#]+)\)", README))
def test_links_lead_somewhere(target: str) -> None:
    """No link into the repository is dead."""
    assert (ROOT / target).exists()

"""The script that Streamlit runs."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fluxlit.sidecar.command import ENTRY
from tests.doubles.apptest import own_process, session, user_module


@pytest.fixture(autouse=True)
def process() -> Iterator[None]:
    """The script believes that the process is its own."""
    with own_process():
        yield


def test_our_folder_hides_no_module_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Streamlit puts the script's folder first on the path, where our command.py would win over a user's."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "command.py").write_text("answer = 'the user\\'s'\n")
    text = "@app.page('/')\ndef home(st):\n    import command\n    st.write(command.answer)\n"
    monkeypatch.setenv("FLUXLIT_APP", user_module(tmp_path / "shop", text))
    sys.path.insert(0, str(ENTRY.parent))
    test = session()
    for _ in range(2):
        assert test.run().markdown[0].value == "the user's"
        assert sys.path[-1] == str(ENTRY.parent)
        assert sys.path.count(str(ENTRY.parent)) == 1
    del sys.modules["command"]


def test_the_script_itself_shows_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Streamlit's magic would print the value of a bare expression."""
    monkeypatch.setenv(
        "FLUXLIT_APP",
        user_module(tmp_path, "@app.page('/')\ndef home(st):\n    return 'a value'\n"),
    )
    assert len(session().run().main) == 0

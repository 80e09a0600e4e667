"""One run: the application, its pages, what they are given."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fluxlit import FluxLit
from fluxlit.sidecar import run
from tests.doubles.apptest import own_process, session, user_module

PAGES = """
@app.page('/')
def first_page(st):
    st.write('first')

@app.page('/second', title='The second')
def second(st):
    st.write('second')
"""

CLIENTS = """
@app.page('/')
def home(st, client, other: ApiClient):
    st.write(repr(client))
    st.write(str(client is other))
"""


@pytest.fixture(autouse=True)
def process() -> Iterator[None]:
    """The script believes that the process is its own."""
    with own_process():
        yield


def use(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this text the application."""
    monkeypatch.setenv("FLUXLIT_APP", user_module(folder, text))


def test_the_page_at_the_root_is_shown_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And others under their slug."""
    use(PAGES, tmp_path, monkeypatch)
    assert [each.value for each in session().run().markdown] == ["first"]
    assert [each.value for each in session("second").run().markdown] == ["second"]


def test_without_a_page_at_the_root_the_first_page_is_led_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under its own address, so that a bookmark of it works."""
    use("@app.page('/only')\ndef only(st):\n    st.write('only')\n", tmp_path, monkeypatch)
    assert [each.value for each in session().run().markdown] == ["only"]
    assert [each.value for each in session("only").run().markdown] == ["only"]


def test_an_application_without_pages_says_how_to_add_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not a blank page; the configured title and prefix are named."""
    use("", tmp_path, monkeypatch)
    monkeypatch.setenv("FLUXLIT_TITLE", "Configured")
    monkeypatch.setenv("FLUXLIT_API_PREFIX", "/backend")
    test = session().run()
    assert test.title[0].value == "Configured"
    assert "@app.page('/')" in test.info[0].value
    assert "/backend/docs" in test.info[0].value


def test_a_module_is_imported_once_however_often_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Objects of the module live as long as the process; sessions share them."""
    use(
        "seen = []\n@app.page('/')\ndef home(st):\n    seen.append(1)\n    st.write(str(len(seen)))\n",
        tmp_path,
        monkeypatch,
    )
    test = session()
    assert [test.run().markdown[0].value, test.run().markdown[0].value] == ["1", "2"]
    assert session().run().markdown[0].value == "3"


def test_a_page_gets_the_shared_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By name and by type; its base is what the supervisor said."""
    use(CLIENTS, tmp_path, monkeypatch)
    monkeypatch.setenv("FLUXLIT_INTERNAL_API_BASE", "http://127.0.0.1:1/api")
    monkeypatch.setattr("fluxlit.client._shared", {})
    values = [each.value for each in session().run().markdown]
    assert values == ["<ApiClient http://127.0.0.1:1/api>", "True"]


@pytest.mark.parametrize(
    ("path", "title", "expected"),
    [("/", "Home", "Shop"), ("/sales", "Sales", "Sales · Shop"), ("/shop", "Shop", "Shop")],
)
def test_the_tab_is_named_after_the_page_and_the_application(
    path: str, title: str, expected: str
) -> None:
    """The page at the root is the application itself."""
    application = FluxLit(title="Shop", streamlit_page_config={"layout": "wide"})
    application.page(path, title=title)(lambda: None)
    assert run._page_config(application, application.pages[0]) == {
        "page_title": expected,
        "layout": "wide",
    }


def test_a_page_title_in_the_page_config_wins() -> None:
    """The user said it."""
    application = FluxLit(streamlit_page_config={"page_title": "Mine"})
    application.page("/sales")(lambda: None)
    assert run._page_config(application, application.pages[0])["page_title"] == "Mine"

"""The demo: its routes, its pages, and both together."""

import hashlib
from collections.abc import Iterator

import pytest

from fluxlit.client import ApiClient
from fluxlit.demo.app import TEAS, Selection, Stats, Values, app
from tests.doubles.apptest import own_process, session, through

BASE = "http://127.0.0.1:1/api"


@pytest.fixture(autouse=True)
def process(monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiClient]:
    """A sidecar whose client reaches the demo's own API without a socket."""
    with own_process(), ApiClient(BASE, transport=through(app.api)) as client:
        monkeypatch.setenv("FLUXLIT_APP", "fluxlit.demo.app:app")
        monkeypatch.setenv("FLUXLIT_INTERNAL_API_BASE", BASE)
        monkeypatch.setattr("fluxlit.client._shared", {BASE: client})
        yield client


def test_items_are_limited(process: ApiClient) -> None:
    """The total tells how many there are."""
    selection = process.get_model("/items", Selection, params={"limit": 3})
    assert [item.name for item in selection.items] == [tea.name for tea in TEAS[:3]]
    assert selection.total == len(TEAS)


@pytest.mark.parametrize("limit", [0, 101, "many"])
def test_a_wrong_limit_is_refused(process: ApiClient, limit: object) -> None:
    """FastAPI's validation, as in any app."""
    assert process.get("/items", params={"limit": limit}).status_code == 422


def test_stats_describe_numbers(process: ApiClient) -> None:
    """And an empty list is refused."""
    stats = process.post_model("/stats", Stats, body=Values(values=[1, 2, 6]))
    assert stats == Stats(count=3, mean=3, least=1, most=6)
    assert process.post("/stats", json={"values": []}).status_code == 422


def test_the_shop_asks_the_api_and_follows_the_slider() -> None:
    """Each rerun calls both routes."""
    test = session().run()
    assert test.title[0].value == "The tea shop"
    assert [metric.value for metric in test.metric] == ["5 of 8", "6.08 €", "4.10 €"]
    test.slider[0].set_value(2).run()
    assert [metric.value for metric in test.metric] == ["2 of 8", "7.05 €", "5.20 €"]
    assert not test.error


def test_the_button_counts_in_the_session() -> None:
    """Another session begins at nothing."""
    test = session().run()
    assert "**0** cups" in test.markdown[-1].value
    test.button[0].click().run()
    assert "**1** cup " in test.markdown[-1].value
    test.button[0].click().run()
    assert "**2** cups" in test.markdown[-1].value
    assert "**0** cups" in session().run().markdown[-1].value


def test_an_upload_is_described() -> None:
    """Name, size and digest of what arrived."""
    test = session("files").run()
    test.file_uploader[0].set_value(("tea.txt", b"leaves", "text/plain")).run()
    assert not test.error
    assert "**tea.txt**: 6 bytes, text/plain" in test.success[0].value
    assert test.code[0].value == hashlib.sha256(b"leaves").hexdigest()

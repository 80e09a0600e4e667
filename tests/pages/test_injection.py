"""What a page function is given."""

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, Optional

import pytest

from fluxlit.client import ApiClient
from fluxlit.pages.injection import Source, plan, values
from fluxlit.pages.registry import PageFunction

if TYPE_CHECKING:
    from decimal import Decimal as Nothing


class Special(ApiClient):
    """A user's own client."""


def _by_name(st: Any, client: Any) -> None: ...
def _by_type(api: ApiClient) -> None: ...
def _by_optional_type(api: ApiClient | None) -> None: ...
def _by_old_optional_type(api: Optional[ApiClient]) -> None: ...  # noqa: UP045 - as users write it
def _by_text(api: "ApiClient") -> None: ...
def _by_name_beside_an_unknown_type(st: "Nothing") -> None: ...
def _with_default(st: Any, rows: int = 5) -> None: ...
def _keyword_only(*, client: Any) -> None: ...
def _variadic(*more: Any, **named: Any) -> None: ...
def _nothing() -> None: ...


@pytest.mark.parametrize(
    ("fn", "expected"),
    [
        (_by_name, {"st": Source.STREAMLIT, "client": Source.CLIENT}),
        (_by_type, {"api": Source.CLIENT}),
        (_by_optional_type, {"api": Source.CLIENT}),
        (_by_old_optional_type, {"api": Source.CLIENT}),
        (_by_text, {"api": Source.CLIENT}),
        (_by_name_beside_an_unknown_type, {"st": Source.STREAMLIT}),
        (_with_default, {"st": Source.STREAMLIT}),
        (_keyword_only, {"client": Source.CLIENT}),
        (_variadic, {}),
        (_nothing, {}),
    ],
)
def test_parameters_are_filled_by_name_and_by_type(
    fn: PageFunction, expected: dict[str, Source]
) -> None:
    """Parameters with a default are left alone."""
    assert plan(fn, page="/x") == expected


def _unknown(st: Any, database: object) -> None: ...
def _positional(st: Any, /) -> None: ...
def _unknown_subclass(client_of_mine: int) -> None: ...
async def _asynchronous(st: Any) -> None: ...
async def _asynchronous_steps(st: Any) -> AsyncIterator[None]:
    yield


def _steps(st: Any) -> Iterator[None]:
    yield


@pytest.mark.parametrize(
    ("fn", "reason"),
    [
        (_unknown, "nothing can fill parameter 'database'"),
        (_positional, "nothing can fill parameter 'st'"),
        (_unknown_subclass, "nothing can fill parameter 'client_of_mine'"),
        (_asynchronous, "plain def, not async def"),
        (_asynchronous_steps, "plain def, not async def"),
        (_steps, "contains yield"),
    ],
)
def test_a_function_that_cannot_be_run_as_a_page_is_refused(fn: PageFunction, reason: str) -> None:
    """The message names the page and what is wrong."""
    with pytest.raises(ValueError, match=f"page '/x': .*{reason}"):
        plan(fn, page="/x")


def test_a_subclass_of_the_client_is_recognised() -> None:
    """Whatever is derived from ApiClient asks for a client."""

    def show(api: Special) -> None: ...

    assert plan(show, page="/x") == {"api": Source.CLIENT}


def test_only_what_is_wanted_is_made() -> None:
    """A page without a client runs where no API address is known."""

    def refuse() -> object:
        raise AssertionError

    offers = {Source.STREAMLIT: lambda: "streamlit", Source.CLIENT: refuse}
    assert values({"st": Source.STREAMLIT}, offers) == {"st": "streamlit"}

"""From a scope to a request, and to what others see of it."""

from typing import Any

import pytest

from fluxlit.gateway.admission import Rules
from fluxlit.protocol.refusal import Refusal
from tests.doubles.asgi import scope_of
from tests.gateway.support import settings_of


def rules_of(**gateway: object) -> Rules:
    """Rules for these settings."""
    return Rules(settings_of(**gateway), pseudonym=b"us")


def test_absolute_form_is_read_as_origin_form() -> None:
    """Its authority is the Host."""
    request = rules_of().admit(scope_of("http", "http://example.test/a?b=1"))
    assert request.path.raw == b"/a"
    assert request.query == b"b=1"


def test_absolute_form_of_another_host_is_misdirected() -> None:
    """421: whoever routed it here was wrong."""
    with pytest.raises(Refusal) as refusal:
        rules_of().admit(scope_of("http", "http://other.test/a"))
    assert refusal.value.status == 421


def test_no_host_is_the_public_one_if_there_is_one() -> None:
    """HTTP/1.0 clients send none."""
    scope = scope_of("http", "/a", version="1.0")
    scope["headers"] = []
    with pytest.raises(Refusal):
        rules_of().admit(scope)
    request = rules_of(public_base_url="https://app.example.com").admit(scope)
    assert request.hop.host == "app.example.com"


def test_a_unix_socket_has_no_client() -> None:
    """No X-Forwarded-For goes up then."""
    rules = rules_of()
    request = rules.admit(scope_of("http", "/a", client=None))
    head = rules.to_ui(request, b"/a", b"id")
    assert b"x-forwarded-for" not in dict(head.headers)
    assert (b"x-forwarded-proto", b"http") in head.headers


@pytest.mark.parametrize(
    ("kind", "scheme", "expected"),
    [
        ("http", "http", "http"),
        ("http", "https", "https"),
        ("websocket", "ws", "ws"),
        ("websocket", "wss", "wss"),
        ("websocket", "https", "wss"),
    ],
)
def test_the_api_s_scheme_fits_its_scope(kind: str, scheme: str, expected: str) -> None:
    """The server's own words are ws or wss; some servers say https."""
    scope: Any = {**scope_of(kind, "/api/x"), "scheme": scheme}
    rules = rules_of()
    assert rules.to_api(scope, rules.admit(scope), "/api", b"id")["scheme"] == expected


def test_the_server_s_scope_is_not_changed() -> None:
    """The API gets its own."""
    scope = scope_of("http", "/api/x")
    before = dict(scope)
    rules = rules_of(root_path="/m")
    inner = rules.to_api(scope, rules.admit(scope), "/api", b"id")
    assert scope == before
    assert inner["path"] == "/m/api/x"
    assert inner["root_path"] == "/m/api"
    assert inner["raw_path"] == b"/m/api/x"

"""Our own answers: the table is total, the form fits who asks."""

import json

import pytest

from fluxlit.errors import UpstreamError, UpstreamTimeout
from fluxlit.gateway.answers import VERDICTS, Audience, answer, audience, redirect
from fluxlit.gateway.parking import NotReady
from fluxlit.protocol.refusal import Refusal
from fluxlit.protocol.routes import SPOKEN
from fluxlit.relay.client import HandshakeRefused


def test_every_way_an_exchange_can_fail_has_a_verdict() -> None:
    """A refused handshake brings its own answer; all other upstream errors are in the table."""
    assert set(UpstreamError.__subclasses__()) - {HandshakeRefused} <= set(VERDICTS)


@pytest.mark.parametrize(
    ("method", "raw", "headers", "expected"),
    [
        ("GET", b"/", [(b"accept", b"text/html")], Audience.PERSON),
        (
            "GET",
            b"/",
            [(b"accept", b"text/html"), (b"sec-fetch-mode", b"navigate")],
            Audience.PERSON,
        ),
        ("GET", b"/", [(b"accept", b"text/html"), (b"sec-fetch-mode", b"cors")], Audience.PROGRAM),
        ("GET", b"/", [(b"accept", b"*/*")], Audience.PROGRAM),
        ("GET", b"/", [], Audience.PROGRAM),
        ("POST", b"/", [(b"accept", b"text/html")], Audience.PROGRAM),
        ("GET", b"/_stcore/health", [(b"accept", b"text/html")], Audience.DIALOG),
        ("GET", b"/_stcore/host-config", [], Audience.DIALOG),
    ],
)
def test_who_asks(
    method: str, raw: bytes, headers: list[tuple[bytes, bytes]], expected: Audience
) -> None:
    """A navigation, Streamlit's own checks, anything else."""
    assert audience(method, raw, headers, spoken=SPOKEN) is expected


def test_a_page_is_html_that_refreshes_itself() -> None:
    """At the pace of Retry-After, with nothing loaded from anywhere, and what it says escaped."""
    given = answer(NotReady("<b>soon</b>", 7), Audience.PERSON)
    headers = dict(given.headers)
    assert headers[b"retry-after"] == b"7"
    assert b'content="7"' in given.body
    assert b"<b>" not in given.body
    assert b"http://" not in given.body
    assert b"https://" not in given.body
    assert b"default-src 'none'" in headers[b"content-security-policy"]
    assert b'lang="en"' in given.body
    assert int(headers[b"content-length"]) == len(given.body)


def test_a_problem_document_has_title_status_and_detail() -> None:
    """RFC 9457 3.1."""
    given = answer(UpstreamTimeout("head"))
    problem = json.loads(given.body)
    assert given.status == problem["status"] == 504
    assert problem["title"]
    assert "head" in problem["detail"]


def test_the_unknown_is_a_500_without_details() -> None:
    """Whatever the exception says stays here."""
    given = answer(KeyError("secret"))
    assert given.status == 500
    assert b"secret" not in given.body


def test_a_refusal_s_hint_is_not_for_the_client() -> None:
    """It names settings."""
    given = answer(Refusal(403, "no", hint="gateway.allowed_origins"), Audience.PERSON)
    assert given.status == 403
    assert b"allowed_origins" not in given.body


def test_redirects_are_never_remembered() -> None:
    """307 and no-store."""
    given = redirect(b"/content/123/")
    assert given.status == 307
    assert (b"cache-control", b"no-store") in given.headers

"""The opening handshake of a WebSocket."""

import pytest

from fluxlit.gateway.server.handshake import Opening, is_key, joined

FIELDS = [
    (b"connection", b"Upgrade"),
    (b"upgrade", b"websocket"),
    (b"sec-websocket-key", b"AAAAAAAAAAAAAAAAAAAAAA=="),
    (b"sec-websocket-version", b"13"),
]


@pytest.mark.parametrize(
    ("key", "good"),
    [
        (b"AAAAAAAAAAAAAAAAAAAAAA==", True),
        (b"short", False),
        (b"AAAA", False),
        (b"\xff" * 24, False),
    ],
)
def test_key(key: bytes, good: bool) -> None:
    """RFC 6455 4.1: 16 bytes in base64."""
    assert is_key(key) is good


def test_sound_handshake_has_no_objection() -> None:
    """All fields as RFC 6455 4.2.1 wants them."""
    assert Opening(FIELDS, "1.1").objection() is None


@pytest.mark.parametrize(
    ("dropped", "status"), [(b"sec-websocket-key", 400), (b"sec-websocket-version", 426)]
)
def test_missing_field(dropped: bytes, status: int) -> None:
    """A missing field is refused with its status."""
    fields = [pair for pair in FIELDS if pair[0] != dropped]
    assert Opening(fields, "1.1").objection() == status


@pytest.mark.parametrize("name", [b"Upgrade", b"sec-websocket-extensions", b"content-length"])
def test_fields_of_the_handshake_are_not_the_applications(name: bytes) -> None:
    """An application that sets one is in error before anything is sent."""
    with pytest.raises(ValueError, match=name.decode().lower()):
        Opening(FIELDS, "1.1").answer(None, [(name, b"x")], 1024)


def test_answer_has_the_accept_key_and_no_extension() -> None:
    """The example of RFC 6455 1.3, with compression offered."""
    fields = [pair for pair in FIELDS if pair[0] != b"sec-websocket-key"]
    fields += [
        (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
        (b"sec-websocket-extensions", b"permessage-deflate"),
    ]
    status, headers, _ = Opening(fields, "1.1").answer(None, [(b"Set-Cookie", b"a=1")], 1024)
    answer = dict(headers)
    assert status == 101
    assert answer[b"sec-websocket-accept"] == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert b"sec-websocket-extensions" not in answer
    assert answer[b"set-cookie"] == b"a=1"


def test_repeated_lines_are_joined() -> None:
    """Two lines of subprotocols count as one list."""
    pairs = [(b"sec-websocket-protocol", b"a, b"), (b"x", b"y"), (b"sec-websocket-protocol", b"c")]
    assert joined(pairs) == [(b"x", b"y"), (b"sec-websocket-protocol", b"a, b,c")]

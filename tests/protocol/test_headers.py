"""Header cleaning: what passes and what does not, both ways."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxlit.protocol.headers import (
    HOP_BY_HOP,
    MAX_FIELDS,
    MAX_HEAD,
    check,
    declares_body,
    from_upstream,
    handshake,
    hops_left,
    is_forwarding,
    listed,
    to_api,
    to_upstream,
)
from fluxlit.protocol.refusal import Refusal

OURS = b"fluxlit-1"
_names = st.sampled_from(
    [
        *sorted(HOP_BY_HOP - {b"connection"}),
        b"x-forwarded-for",
        b"x_forwarded_for",
        b"forwarded",
        b"x-real-ip",
        b"accept",
        b"x-custom",
        b"cookie",
        b"proxy_authorization",
        b"expect",
    ]
)
_fields = st.lists(st.tuples(_names, st.sampled_from([b"", b"a", b"x-custom, b", b"trailers"])))


def up(*headers: tuple[bytes, bytes], version: str = "1.1") -> dict[bytes, bytes]:
    """The cleaned request as a dict; fails the test when a name is there twice."""
    kept = to_upstream(headers, version=version, pseudonym=OURS)
    assert len({name for name, _ in kept}) == len(kept)
    return dict(kept)


@given(_fields)
def test_no_hop_by_hop_field_ever_goes_up(headers: list[tuple[bytes, bytes]]) -> None:
    """Neither a hop's own field nor a forwarding claim survives, folded names included."""
    for name, _ in to_upstream(headers, version="1.1", pseudonym=OURS):
        folded = name.replace(b"_", b"-")
        assert folded not in HOP_BY_HOP
        assert not is_forwarding(folded)
        assert name != b"expect"


@given(_fields, st.sampled_from([200, 204, 206, 304, 404]))
def test_no_hop_by_hop_field_ever_comes_down(
    headers: list[tuple[bytes, bytes]], status: int
) -> None:
    """The same on the way back, Connection-named fields included."""
    named = [*headers, (b"connection", b"X-Custom, close")]
    names = {name for name, _ in from_upstream(named, status=status)}
    assert not names & HOP_BY_HOP
    assert b"x-custom" not in names


@given(_fields)
def test_the_api_sees_no_forwarding_claims(headers: list[tuple[bytes, bytes]]) -> None:
    """Claims are gone for the API as well, and so is the client's Host."""
    names = {name for name, _ in to_api([*headers, (b"host", b"a")])}
    assert not any(is_forwarding(name.replace(b"_", b"-")) for name in names)
    assert b"host" not in names


def test_f58_connection_names_fields_in_all_its_lines() -> None:
    """Every Connection line counts, in any case of letters."""
    kept = up(
        (b"connection", b"Keep-Alive, X-One"),
        (b"connection", b"x-TWO"),
        (b"x-one", b"1"),
        (b"x-two", b"2"),
        (b"x-three", b"3"),
    )
    assert set(kept) == {b"x-three", b"via"}


@pytest.mark.parametrize(
    "name",
    [
        "Host",
        "content-length",
        "Cookie",
        "Authorization",
        "origin",
        "Sec-WebSocket-Key",
        "Via",
        "X-Xsrftoken",
        "Forwarded",
        "x-forwarded-proto",
        "Transfer-Encoding",
    ],
)
def test_connection_must_not_name_what_carries_meaning(name: str) -> None:
    """Naming such a field would let a client have it removed behind our checks: 400."""
    with pytest.raises(Refusal) as refusal:
        check([(b"connection", f"close, {name}".encode())])
    assert refusal.value.status == 400
    assert refusal.value.severs


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([(b"a", b"1")] * (MAX_FIELDS + 1), 431),
        ([(b"a", b"1" * MAX_HEAD)], 431),
        ([(b"a", b"1\x002")], 400),
        ([(b"a", b"1\x7f")], 400),
        ([(b"content-length", b"3"), (b"transfer-encoding", b"chunked")], 400),
        ([(b"expect", b"the-unexpected")], 417),
    ],
)
def test_a_bad_head_is_refused(headers: list[tuple[bytes, bytes]], status: int) -> None:
    """Size, control characters, double framing and unknown expectations."""
    with pytest.raises(Refusal) as refusal:
        check(headers)
    assert refusal.value.status == status


def test_a_common_head_is_fine() -> None:
    """A tab and bytes above 0x7f are legal in a value, 100-continue is known."""
    check([(b"a", b"1\t2\xff"), (b"expect", b"100-Continue"), (b"connection", b"keep-alive")])


def test_cookie_lines_become_one() -> None:
    """Several lines are joined as RFC 6265 5.4 writes them."""
    assert up((b"cookie", b"a=1"), (b"x", b"y"), (b"cookie", b"b=2"))[b"cookie"] == b"a=1; b=2"


@pytest.mark.parametrize(
    ("version", "protocol"), [("1.0", b"1.0 "), ("1.1", b"1.1 "), ("2", b"2 ")]
)
def test_via_grows_by_us(version: str, protocol: bytes) -> None:
    """Via keeps what is there and gets the received protocol and our name."""
    assert up((b"via", b"1.1 front"), version=version)[b"via"] == b"1.1 front, " + protocol + OURS


def test_a_loop_is_refused() -> None:
    """A request that carries our own name has been here: 508."""
    with pytest.raises(Refusal) as refusal:
        up((b"via", b"1.1 other, 1.1 fluxlit-1"))
    assert refusal.value.status == 508


def test_f66_nothing_is_added_but_via() -> None:
    """A client without User-Agent and Accept stays one."""
    assert set(up()) == {b"via"}


@pytest.mark.parametrize(
    ("status", "kept"),
    [(200, True), (206, True), (304, True), (404, True), (204, False), (205, False)],
)
def test_f56_no_length_where_there_is_no_content(status: int, kept: bool) -> None:
    """A 204 or 205 carries no Content-Length, a 304 keeps that of the 200 it stands for."""
    headers = from_upstream([(b"content-length", b"5")], status=status)
    assert bool(headers) is kept


def test_f57_content_encoding_and_etag_stay() -> None:
    """What describes the bytes is not touched, order and doubles included."""
    headers = [(b"content-encoding", b"br"), (b"etag", b'"x"'), (b"vary", b"a"), (b"vary", b"b")]
    assert from_upstream(headers, status=200) == headers


@pytest.mark.parametrize("field", [(b"a", b"1\n2"), (b"a b", b"1"), (b"a", b"\x00")])
def test_an_unclean_answer_is_an_error(field: tuple[bytes, bytes]) -> None:
    """A line feed that reached an HTTP/2 client would be a header of its own choosing."""
    with pytest.raises(ValueError, match="unclean"):
        from_upstream([field], status=200)


def test_a_list_has_no_empty_elements() -> None:
    """RFC 9110 5.6.1.2: empty elements are ignored."""
    assert listed([(b"a", b"1, ,2,"), (b"b", b"x"), (b"a", b"3")], b"a") == [b"1", b"2", b"3"]


def test_a_handshake_s_own_fields_are_made_anew() -> None:
    """Key, version, extensions and lengths go; the offers become one line, empty items kept."""
    headers = [
        (b"sec-websocket-protocol", b"streamlit, , id"),
        (b"sec-websocket-key", b"k"),
        (b"sec-websocket-extensions", b"permessage-deflate"),
        (b"content-length", b"0"),
        (b"origin", b"http://a"),
        (b"sec-websocket-protocol", b"more"),
    ]
    assert handshake(headers) == [
        (b"origin", b"http://a"),
        (b"sec-websocket-protocol", b"streamlit, , id, more"),
    ]
    assert handshake(headers[1:5]) == [(b"origin", b"http://a")]


@pytest.mark.parametrize(
    ("headers", "declared"),
    [
        ([], False),
        ([(b"content-length", b"0")], False),
        ([(b"content-length", b"1")], True),
        ([(b"transfer-encoding", b"chunked")], True),
    ],
)
def test_which_heads_declare_a_body(headers: list[tuple[bytes, bytes]], declared: bool) -> None:
    """RFC 9112 6: Content-Length or Transfer-Encoding."""
    assert declares_body(headers) is declared


@pytest.mark.parametrize(("said", "left"), [([], None), ([b"0"], 0), ([b"3"], 3), ([b"007"], 7)])
def test_hops_left(said: list[bytes], left: int | None) -> None:
    """A number, or none: any (RFC 9110 7.6.2)."""
    assert hops_left([(b"max-forwards", value) for value in said]) == left


@pytest.mark.parametrize("said", [[b"x"], [b""], [b"-1"], [b"1", b"2"], [b"1, 2"], [b"9" * 30]])
def test_hops_that_are_no_number(said: list[bytes]) -> None:
    """400."""
    with pytest.raises(Refusal) as refused:
        hops_left([(b"max-forwards", value) for value in said])
    assert refused.value.status == 400

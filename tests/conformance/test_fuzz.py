"""The pure core under any bytes: an event, an answer or a clean close, never another exception.

Inputs are grown from whole, valid talk by cutting, swapping and overwriting; that reaches further
than noise. Every case is also fed in cuts, and must come to the same as in one piece.
"""

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fluxlit.config.invalid import InvalidValue
from fluxlit.config.kinds import read_text
from fluxlit.config.settings import About, Kind
from fluxlit.errors import UpstreamClosed, UpstreamProtocolError
from fluxlit.gateway.server import head as server_head
from fluxlit.gateway.server.handshake import Opening
from fluxlit.protocol import headers, mount, origin, rewriting, trust
from fluxlit.protocol.exchange import BodyEnd, BodyPart, Exchange, Framing, RequestHead
from fluxlit.protocol.framing import Broke, CloseReceived, Frames
from fluxlit.protocol.handshake import Handshake
from fluxlit.protocol.hosts import Hosts, bare
from fluxlit.protocol.refusal import Refusal
from tests.conformance import corpus
from tests.conformance.upstream import OK
from tests.gateway.server.served import frame

ANSWERS = [
    OK + b"ok",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n",
    b"HTTP/1.1 103 E\r\nLink: <a>\r\n\r\nHTTP/1.1 204 No\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.0 200 OK\r\n\r\nto the end",
    b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n\x81\x01a",
]
FRAMES = [
    b"\x81\x01a\x82\x02\x00\xff",
    b"\x01\x02ab\x89\x01p\x80\x01c",
    b"\x88\x06\x03\xe8warm",
    b"\x82\x7e\x00\x80" + bytes(128),
    b"\x82\x7f" + bytes(5) + b"\x01\x00\x00" + bytes(65_536),
]
TARGETS = [
    b"/",
    b"/a/b?c=%20",
    b"/%2e%2e/x",
    b"http://a:80/x",
    b"*",
    b"//h",
    b"/_stcore/stream",
    b"/a%2Fb",
]
CHAINS = [
    b'for=1.2.3.4;proto=https;host="a:1", for="[2001:db8::1]:80"',
    b"1.2.3.4, 5.6.7.8:90, [::1]:1, unknown",
    b"https,http",
    b"a.example:8000",
    b"/x/y",
]
FIELDS = st.sampled_from(
    [
        b"connection", b"host", b"cookie", b"via", b"forwarded", b"x-forwarded-for", b"x-forwarded-proto",
        b"x-forwarded-host", b"x-forwarded-port", b"x-forwarded-prefix", b"transfer-encoding", b"content-length",
        b"expect", b"max-forwards", b"origin", b"sec-fetch-site", b"upgrade", b"sec-websocket-protocol",
        b"sec-websocket-key", b"sec-websocket-version", b"x_forwarded_for", b"location", b"set-cookie",
    ]
)  # fmt: skip


def grown(seeds: Iterable[bytes]) -> st.SearchStrategy[bytes]:
    """Bytes near the seeds: a few parts of them, glued, some overwritten."""
    seed = st.sampled_from(list(seeds))
    part = st.tuples(seed, st.integers(0, 80), st.integers(0, 400)).map(lambda t: t[0][t[1] : t[2]])
    noise = st.one_of(
        st.binary(max_size=12),
        st.sampled_from(
            [
                b"\r",
                b"\n",
                b"\r\n",
                b"\x00",
                b" ",
                b"\t",
                b",",
                b";",
                b'"',
                b":",
                b"%",
                b"\xff",
                b"\\",
            ]
        ),
    )
    return st.one_of(seed, st.lists(st.one_of(seed, part, noise), max_size=5).map(b"".join))


def values() -> st.SearchStrategy[bytes]:
    """Values of fields, near those that mean something."""
    return grown(
        [*CHAINS, b"chunked", b"5", b"keep-alive, X", b"http://a", b"null", b"a=b; c=d", b"1.1 x"]
    )


def fields() -> st.SearchStrategy[list[tuple[bytes, bytes]]]:
    """Fields of a request or an answer."""
    names = st.one_of(FIELDS, st.binary(min_size=1, max_size=8).map(bytes.lower))
    return st.lists(st.tuples(names, values()), max_size=6)


def cuts(data: bytes, at: list[int]) -> list[bytes]:
    """``data`` in pieces."""
    places = sorted({place % (len(data) + 1) for place in at} | {0, len(data)})
    return [data[a:b] for a, b in pairwise(places)] or [b""]


CUTS = st.lists(st.integers(0, 10_000), max_size=6)
fuzz = settings(deadline=None, max_examples=150)


def refusing(rule: Callable[[], Any]) -> Any:
    """The result of a rule, or its refusal, which has a status."""
    try:
        return rule()
    except Refusal as refusal:
        assert refusal.status == 204 or 400 <= refusal.status < 600
        return refusal.status


@fuzz
@given(grown([payload.data for payload in corpus.payloads()]), CUTS)
def test_any_bytes_of_a_client(data: bytes, at: list[int]) -> None:
    """Each request is passed on or refused with a status; the parser's own error has one, too."""
    whole, in_pieces = _judged([data]), _judged(cuts(data, at))
    assert in_pieces[: len(whole)] == whole[: len(in_pieces)]
    assert all(verdict is None or 400 <= verdict < 600 for verdict in whole)


def _judged(pieces: list[bytes]) -> list[int | None]:
    found: list[int | None] = []
    wire = h11.Connection(h11.SERVER, max_incomplete_event_size=65_536)
    for piece in [piece for piece in pieces if piece]:
        try:
            wire.receive_data(piece)
            while not isinstance(event := wire.next_event(), type):
                if isinstance(event, h11.Request):
                    found.append(_verdict(event))
                if isinstance(event, (h11.ConnectionClosed, h11.EndOfMessage)):
                    return found
        except h11.RemoteProtocolError as error:
            return [*found, error.error_status_hint]
    return found


def _verdict(request: h11.Request) -> int | None:
    verdict = server_head.examine(request)
    if isinstance(verdict, int):
        return verdict
    if verdict is server_head.Kind.WEBSOCKET:
        objection = Opening(list(request.headers), "1.1").objection()
        assert objection in {None, 400, 426}
    found = refusing(lambda: headers.check(list(request.headers)))
    return found if isinstance(found, int) else None


@fuzz
@given(grown(ANSWERS), CUTS, st.sampled_from([b"GET", b"HEAD", b"POST"]))
def test_any_bytes_of_an_upstream(data: bytes, at: list[int], method: bytes) -> None:
    """Head, pieces and end in this order; or one of two errors; the same in pieces as in one."""
    whole, in_pieces = _exchanged([data], method), _exchanged(cuts(data, at), method)
    assert whole == in_pieces


def _exchanged(pieces: list[bytes], method: bytes) -> tuple[Any, ...]:
    exchange = Exchange()
    exchange.begin(RequestHead(method, b"/", [(b"host", b"a")]), Framing.NONE)
    body, head, ended, error = b"", None, False, None
    try:
        for piece in [*[piece for piece in pieces if piece], None]:
            if piece is None:
                exchange.receive_eof()
            else:
                exchange.receive(piece)
            for event in exchange.events():
                assert not ended
                if isinstance(event, BodyPart):
                    assert head is not None
                    body += event.data
                elif isinstance(event, BodyEnd):
                    ended = True
                else:
                    assert head is None
                    head = (event.status, tuple(event.headers))
    except (UpstreamClosed, UpstreamProtocolError) as broken:
        error = type(broken)
    assert ended or error is not None
    assert not exchange.reusable
    # Where the end of the connection meets an error, a piece may have been handed on before it.
    return (head, ended, error, body if ended else None)


@fuzz
@given(grown(ANSWERS), CUTS)
def test_any_answer_to_a_handshake(data: bytes, at: list[int]) -> None:
    """No outcome yet, one outcome, or one of two errors."""
    handshake = Handshake(RequestHead(b"GET", b"/", [(b"host", b"a")]), bytes(16))
    handshake.request()
    try:
        for piece in [*[piece for piece in cuts(data, at) if piece], b""]:
            if handshake.receive(piece) is not None:
                return
    except (UpstreamClosed, UpstreamProtocolError):
        return
    raise AssertionError("the end of the connection is no outcome")


@fuzz
@given(grown([*FRAMES, frame(0x81, b"masked")]), CUTS)
def test_any_frames_of_an_upstream(data: bytes, at: list[int]) -> None:
    """Events, the last of which may end it; nothing comes after the end; the same in pieces."""
    whole, in_pieces = _framed([data]), _framed(cuts(data, at))
    assert whole == in_pieces


def _framed(pieces: list[bytes]) -> list[Any]:
    frames, found = Frames(1000), list[Any]()
    for piece in pieces:
        for event in frames.receive(piece):
            assert not any(isinstance(one, (Broke, CloseReceived)) for one in found)
            found.append(event)
    return [type(one) if isinstance(one, Broke) else one for one in found]


@fuzz
@given(grown(TARGETS), grown([b"", b"a=b", b"%"]), st.sampled_from(["a", "[::1]:80"]))
def test_any_target(raw: bytes, query: bytes, host: str) -> None:
    """A path that is read in one way, or a refusal; below a mount or not."""

    def rule() -> mount.Path:
        form = mount.origin_form(raw, host)
        text = mount.check(form, query)
        return mount.locate(form, text, root_path="/a", prefix="/x")

    path = refusing(rule)
    if isinstance(path, mount.Path):
        assert path.raw.startswith(b"/")
        assert path.text.startswith("/")
        assert not {".", ".."} & set(path.text.split("/"))
        assert not any(ord(letter) < 32 for letter in path.text)


@fuzz
@given(fields())
def test_any_fields(given_fields: list[tuple[bytes, bytes]]) -> None:
    """Whatever passes the check can be passed on without its hop, or is refused; so can an answer."""

    def rule() -> list[tuple[bytes, bytes]]:
        headers.check(given_fields)
        headers.hops_left(given_fields)
        return headers.to_upstream(given_fields, version="1.1", pseudonym=b"p")

    kept = refusing(rule)
    if not isinstance(kept, int):
        names = {name for name, _ in kept}
        assert not names & headers.HOP_BY_HOP
        assert not any(headers.is_forwarding(name.replace(b"_", b"-")) for name in names)
        assert len([name for name, _ in headers.handshake(kept) if name == b"cookie"]) <= 1
    try:
        answered = headers.from_upstream(given_fields, status=200)
    except ValueError:
        return
    site = rewriting.Site("https", "a", "/m")
    for _, value in rewriting.fit(answered, site=site, upstream="127.0.0.1:1"):
        assert b"\n" not in value


@fuzz
@given(fields(), st.booleans(), st.sampled_from([("*",), ("127.0.0.0/8", "::1"), ()]))
def test_any_word_of_a_proxy(
    given_fields: list[tuple[bytes, bytes]],
    enabled: bool,
    allowed: tuple[str, ...],
) -> None:
    """An address, a scheme and a host come out, or the peer's own; all of them fit into a field."""
    peer = trust.Hop(("127.0.0.1", 1), "http", "a")
    hop = trust.read(given_fields, peer, trust.Trust.of(enabled=enabled, allowed=allowed))
    assert hop.scheme in {"http", "https"}
    assert trust.HOST.fullmatch(hop.host)
    assert hop.client is not None
    assert trust.normal(hop.client) == hop.client
    for _, value in trust.clean(hop):
        assert value.isascii()
        assert not server_head.CONTROL.search(value)
    if not enabled or not allowed:
        assert hop == peer


@fuzz
@given(fields(), st.text(max_size=20), st.sampled_from(["a", "[::1]:80", "a.example:443"]))
def test_any_origin(given_fields: list[tuple[bytes, bytes]], allowed: str, host: str) -> None:
    """Ours, or 403; and what the sidecar is shown as Host is one."""
    origins, hop = origin.Origins.of("", (allowed,)), trust.Hop(None, "https", host)
    assert refusing(lambda: origin.judge(given_fields, hop, origins)) in {None, 403}
    shown = origin.upstream_host(given_fields, hop, origins)
    assert not server_head.CONTROL.search(shown)
    assert refusing(lambda: Hosts.of((allowed,)).judge(host)) in {None, 421}
    assert bare(host) == bare(bare(host))


@fuzz
@given(
    st.one_of(st.text(max_size=30), values().map(lambda value: value.decode("latin-1"))),
    st.sampled_from(Kind),
)
def test_any_text_of_a_setting(text: str, kind: Kind) -> None:
    """A value, or a sentence that says what was expected."""
    try:
        read_text(text, About(kind, "", choices=("a", "b")))
    except InvalidValue as error:
        assert error.expected


@pytest.mark.parametrize("payload", corpus.payloads(), ids=lambda payload: payload.name)
def test_every_cut_of_the_corpus(payload: corpus.Payload) -> None:
    """Byte by byte it comes to the same as in one write."""
    data = payload.data[:400]
    whole = _judged([data])
    assert _judged([data[at : at + 1] for at in range(len(data))])[: len(whole)] == whole

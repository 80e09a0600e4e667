"""Whose word counts: the table of peers and headers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxlit.protocol.trust import Hop, Trust, clean, normal, read

PEER = Hop(("10.0.0.1", 4000), "http", "inner:8000")
UNIX = Hop(None, "http", "inner:8000")
OFF = Trust()
LISTED = Trust.of(enabled=True, allowed=["10.0.0.0/8", "fd00::/8"])
ANY = Trust.of(enabled=True, allowed=["*"])

Fields = list[tuple[str, str]]


def believed(headers: Fields, trust: Trust = LISTED, peer: Hop = PEER) -> Hop:
    """The hop that counts for headers written as text."""
    return read([(name.lower().encode(), value.encode()) for name, value in headers], peer, trust)


@pytest.mark.parametrize("trust", [OFF, Trust.of(enabled=True, allowed=["192.0.2.0/24"])])
def test_f81_strangers_are_not_believed(trust: Trust) -> None:
    """Off, or from a peer that is not listed, every claim is dropped."""
    claims = [
        ("X-Forwarded-For", "1.2.3.4"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Prefix", "/evil"),
        ("Forwarded", "for=1.2.3.4;proto=https;host=evil.example"),
    ]
    assert believed(claims, trust) == PEER


@pytest.mark.parametrize(
    ("chain", "client"),
    [
        ("203.0.113.7", ("203.0.113.7", 0)),
        ("203.0.113.7:51234", ("203.0.113.7", 51234)),
        ("6.6.6.6, 203.0.113.7", ("203.0.113.7", 0)),
        ("6.6.6.6, 203.0.113.7, 10.1.2.3", ("203.0.113.7", 0)),
        ("10.1.2.3, 10.1.2.4", ("10.1.2.3", 0)),
        ("2001:db8::7", ("2001:db8::7", 0)),
        ("[2001:db8::7]:443", ("2001:db8::7", 443)),
        ("::ffff:203.0.113.7", ("203.0.113.7", 0)),
        ("203.0.113.7, nonsense", ("10.0.0.1", 4000)),
        ("203.0.113.7, nonsense, 10.1.2.3", ("10.1.2.3", 0)),
        ("203.0.113.7:99999999", ("10.0.0.1", 4000)),
        ("unknown", ("10.0.0.1", 4000)),
        ("", ("10.0.0.1", 4000)),
        ("<script>", ("10.0.0.1", 4000)),
    ],
)
def test_f84_the_rightmost_untrusted_address_is_the_client(
    chain: str, client: tuple[str, int]
) -> None:
    """What a client wrote left of its own address does not count, nor does what is no address."""
    assert believed([("X-Forwarded-For", chain)]).client == client


def test_f82_a_star_believes_the_peer_and_no_further() -> None:
    """With * the last address is the client: all left of it may be the client's own writing."""
    assert believed([("X-Forwarded-For", "6.6.6.6, 203.0.113.7")], ANY).client == (
        "203.0.113.7",
        0,
    )


def test_a_unix_socket_is_believed_only_when_trust_is_on() -> None:
    """Its file says who may connect."""
    claim = [("X-Forwarded-For", "203.0.113.7")]
    assert believed(claim, LISTED, UNIX).client == ("203.0.113.7", 0)
    assert believed(claim, OFF, UNIX).client is None


@pytest.mark.parametrize(
    ("headers", "scheme", "host", "prefix"),
    [
        ([("X-Forwarded-Proto", "https")], "https", "inner:8000", ""),
        ([("X-Forwarded-Proto", "wss")], "https", "inner:8000", ""),
        ([("X-Forwarded-Proto", "HTTPS")], "https", "inner:8000", ""),
        ([("X-Forwarded-Proto", "javascript")], "http", "inner:8000", ""),
        ([("X-Forwarded-Host", "app.example.com")], "http", "app.example.com", ""),
        ([("X-Forwarded-Host", "a b/c")], "http", "inner:8000", ""),
        ([("X-Forwarded-Host", "user@h")], "http", "inner:8000", ""),
        (
            [("X-Forwarded-Host", "h"), ("X-Forwarded-Port", "8443")],
            "http",
            "h:8443",
            "",
        ),
        (
            [
                ("X-Forwarded-Host", "h"),
                ("X-Forwarded-Port", "443"),
                ("X-Forwarded-Proto", "https"),
            ],
            "https",
            "h",
            "",
        ),
        ([("X-Forwarded-Host", "h:1"), ("X-Forwarded-Port", "2")], "http", "h:1", ""),
        ([("X-Forwarded-Prefix", "/a/b/")], "http", "inner:8000", "/a/b"),
        ([("X-Forwarded-Prefix", "//evil")], "http", "inner:8000", ""),
        ([("X-Forwarded-Prefix", "/a/../b")], "http", "inner:8000", ""),
        ([("X-Forwarded-Prefix", "https://evil/x")], "http", "inner:8000", ""),
    ],
)
def test_f83_scheme_host_port_and_prefix_of_a_trusted_peer(
    headers: Fields, scheme: str, host: str, prefix: str
) -> None:
    """Each is used when it is well-formed, and only then."""
    assert believed(headers) == Hop(PEER.client, scheme, host, prefix)


def test_lists_as_long_as_the_chain_are_read_hop_by_hop() -> None:
    """The scheme that counts is the one said about the client that counts."""
    headers = [
        ("X-Forwarded-For", "6.6.6.6, 203.0.113.7, 10.1.2.3"),
        ("X-Forwarded-Proto", "http, https, http"),
    ]
    assert believed(headers).scheme == "https"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("for=203.0.113.7", Hop(("203.0.113.7", 0), "http", "inner:8000")),
        (
            'For="[2001:db8::7]:4711"; Proto=https ;Host="app.example.com:8443"',
            Hop(("2001:db8::7", 4711), "https", "app.example.com:8443"),
        ),
        (
            "for=6.6.6.6;proto=http, for=203.0.113.7;proto=https, for=10.1.2.3;proto=http",
            Hop(("203.0.113.7", 0), "https", "inner:8000"),
        ),
        ("for=_hidden;proto=https", Hop(PEER.client, "https", "inner:8000")),
        ('for="203.0.113.7', PEER),
        ("for=203.0.113.7;proto=https, ===", PEER),
        ("", PEER),
    ],
)
def test_forwarded_is_read_as_rfc_7239_writes_it(value: str, expected: Hop) -> None:
    """Quoted strings, IPv6, chains; a field that cannot be read says nothing."""
    assert believed([("Forwarded", value)]) == expected


def test_a_proxy_that_writes_the_other_family_lets_no_forwarded_through() -> None:
    """A proxy such as nginx passes a client's Forwarded on untouched: X-Forwarded-* wins."""
    headers = [("Forwarded", "for=6.6.6.6"), ("X-Forwarded-For", "203.0.113.7")]
    assert believed(headers).client == ("203.0.113.7", 0)


@given(st.lists(st.text(st.characters(codec="latin-1"), max_size=20), max_size=4), st.booleans())
def test_whatever_is_said_the_result_is_well_formed(said: list[str], rfc: bool) -> None:
    """No input raises, and the client is always an address."""
    name = b"forwarded" if rfc else b"x-forwarded-for"
    hop = read([(name, text.encode("latin-1")) for text in said], PEER, LISTED)
    assert hop.client is not None
    assert normal(hop.client) == hop.client
    assert hop.scheme in {"http", "https"}


def test_exactly_one_clean_field_of_each_goes_on() -> None:
    """For, Proto and Host, once each; no For where there is no address."""
    assert clean(Hop(("1.2.3.4", 5), "https", "h:1")) == [
        (b"x-forwarded-for", b"1.2.3.4"),
        (b"x-forwarded-proto", b"https"),
        (b"x-forwarded-host", b"h:1"),
    ]
    assert b"x-forwarded-for" not in dict(clean(UNIX))


def test_bad_networks_are_an_error() -> None:
    """The configuration checks them first; nobody is trusted by a typing error."""
    with pytest.raises(ValueError, match="nonsense"):
        Trust.of(enabled=True, allowed=["nonsense"])


def test_a_dual_stack_listener_s_ipv4_peer_is_that_address() -> None:
    """Lists of proxies hold 10.0.0.0/8, not ::ffff:10.0.0.0/104."""
    assert normal(("::ffff:10.0.0.1", 7)) == ("10.0.0.1", 7)
    assert LISTED.believes("::ffff:10.0.0.1")

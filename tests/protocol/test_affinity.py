"""Which instance is chosen, and how it is known again."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from fluxlit.protocol.affinity import (
    HEARD,
    Sessions,
    Tokens,
    announced,
    choose,
    cookies,
    is_shared,
    session_of_offer,
    session_of_upload,
    set_cookie,
)
from fluxlit.status import Endpoint, InstancePhase, InstanceStatus


def instance(name: str, slot: int = 0, generation: int = 1) -> InstanceStatus:
    """A ready instance."""
    place = Endpoint("127.0.0.1", 1)
    return InstanceStatus(name, "ui", slot, generation, InstancePhase.READY, 0.0, place)


def test_nobody_ready_is_nobody() -> None:
    """There is nothing to choose from."""
    assert choose([], lambda _: 0, generation=1) is None


def test_the_fewest_sessions_win_then_the_lowest_slot() -> None:
    """New sessions spread; a tie is decided the same way every time."""
    sessions = {"a": 3, "b": 1, "c": 1}
    found = choose(
        [instance("a", 0), instance("c", 2), instance("b", 1)], sessions.__getitem__, generation=1
    )
    assert found is not None
    assert found.id == "b"


def test_the_live_generation_takes_the_new_requests() -> None:
    """However idle the other one is; but another one is better than none."""
    both = [instance("old", 0, 1), instance("new", 0, 2)]
    sessions = {"old": 9, "new": 0}.__getitem__
    found = choose(both, sessions, generation=1)
    assert found is not None
    assert found.id == "old"
    alone = choose(both[1:], sessions, generation=1)
    assert alone is not None
    assert alone.id == "new"


SESSION = b"0b6d6ba4-5f8a-4c0c-9d0e-3f1a2b3c4d5e"
ids = st.uuids(version=4).map(lambda uuid: str(uuid).encode())


def everywhere(_: str) -> bool:
    """Every instance lives."""
    return True


@given(st.lists(st.tuples(ids, st.sampled_from("abc")), max_size=50))
def test_a_session_stays_where_it_was_first_met(said: list[tuple[bytes, str]]) -> None:
    """Whatever is said of it later, as long as that instance lives."""
    sessions, first = Sessions(), dict[bytes, str]()
    for session, place in said:
        sessions.learn(session, place, everywhere)
        first.setdefault(session, place)
    assert {session: sessions.find(session) for session in first} == first


@given(st.lists(ids, max_size=40), st.integers(1, 10))
def test_what_is_remembered_is_bounded(met: list[bytes], limit: int) -> None:
    """The ones that were used last are kept."""
    sessions = Sessions(limit)
    for session in met:
        sessions.learn(session, "a", everywhere)
        assert len(sessions) <= limit
        assert sessions.find(session) == "a"
    latest = list(dict.fromkeys(reversed(met)))
    assert [s for s in latest if sessions.find(s)] == latest[:limit]


def test_a_session_is_met_anew_when_its_instance_is_gone() -> None:
    """Ids are kept by browsers longer than processes live."""
    sessions = Sessions()
    sessions.learn(SESSION, "dead", everywhere)
    sessions.learn(SESSION, "new", lambda instance: instance != "dead")
    assert sessions.find(SESSION) == "new"
    assert sessions.find(None) is None


@given(st.binary(min_size=1), st.lists(st.text(min_size=1), min_size=1, unique=True), st.data())
def test_a_token_names_its_instance_to_its_maker_alone(
    secret: bytes, names: list[str], data: st.DataObject
) -> None:
    """It says nothing of it, fits into a cookie, and is stale once the instance is no more."""
    tokens, name = Tokens(secret), data.draw(st.sampled_from(names))
    token = tokens.token(name)
    assert re.fullmatch(rb"[A-Za-z0-9_-]{43}", token)
    assert tokens.find([b"forged", token], names) == name
    assert tokens.find([token], [other for other in names if other != name]) is None
    assert Tokens(secret + b"x").find([token], names) is None


@given(st.binary(max_size=60))
def test_a_forged_token_names_nobody(token: bytes) -> None:
    """Whatever its bytes."""
    assert Tokens(b"secret").find([token], ["ui-1", "ui-2"]) is None


def test_the_cookie_is_read_among_others() -> None:
    """All of its name are read, for paths may be nested; not without bound."""
    headers = [(b"cookie", b"a=1; _fluxlit_affinity=x;b=2"), (b"cookie", b"_fluxlit_affinity=y")]
    assert cookies(headers) == [b"x", b"y"]
    assert cookies([(b"cookie", b"x_fluxlit_affinity=1; _fluxlit_affinity")]) == [b""]
    assert len(cookies([(b"cookie", b";".join([b"_fluxlit_affinity=x"] * 100))])) == HEARD


def test_the_cookie_is_out_of_reach() -> None:
    """Of scripts, of other applications on the host, and of the plain network where there is TLS."""
    assert set_cookie(b"t", mount="", secure=False) == (
        b"_fluxlit_affinity=t; Path=/; HttpOnly; SameSite=Lax"
    )
    assert set_cookie(b"t", mount="/a/b", secure=True) == (
        b"_fluxlit_affinity=t; Path=/a/b; HttpOnly; SameSite=Lax; Secure"
    )


@pytest.mark.parametrize(
    ("raw", "session"),
    [
        (b"/_stcore/upload_file/" + SESSION + b"/file", SESSION),
        (b"/_stcore/upload_file/" + SESSION, SESSION),
        (b"/_stcore/upload_file/nobody/file", None),
        (b"/x/_stcore/upload_file/" + SESSION + b"/file", None),
        (b"/media/" + SESSION, None),
    ],
)
def test_the_session_of_an_upload(raw: bytes, session: bytes | None) -> None:
    """Stands in its path."""
    assert session_of_upload(raw) == session


@pytest.mark.parametrize(
    ("offers", "session"),
    [
        ([b"streamlit, token, " + SESSION], SESSION),
        ([b"streamlit,," + SESSION], SESSION),
        ([b"streamlit", b"token", SESSION], SESSION),
        ([b"streamlit, " + SESSION], None),
        ([b"streamlit, token, another"], None),
        ([], None),
    ],
)
def test_the_session_of_a_websocket_that_comes_back(
    offers: list[bytes], session: bytes | None
) -> None:
    """Is the third item, counted with empty ones as Streamlit does."""
    assert session_of_offer([(b"sec-websocket-protocol", offer) for offer in offers]) == session


def test_what_streamlit_says_first_announces_its_session() -> None:
    """In the message that Streamlit itself would write."""
    message = ForwardMsg()
    message.new_session.name = "app"
    message.new_session.initialize.user_info.installation_id = "x" * 32
    message.new_session.initialize.session_id = SESSION.decode()
    assert announced(message.SerializeToString()) == [SESSION]
    other = ForwardMsg()
    other.delta.new_element.text.body = f"my id is {SESSION.decode()}"
    assert announced(other.SerializeToString()) == []


@given(st.lists(ids, max_size=10, unique=True), st.binary(max_size=5))
def test_what_is_announced_is_bounded(said: list[bytes], between: bytes) -> None:
    """A message may name many; a few are taken, in order."""
    message = between.join(b"$" + session for session in said)
    assert announced(message) == said[:HEARD]


@pytest.mark.parametrize(
    ("method", "raw", "expected"),
    [
        ("GET", b"/media/abc.png", True),
        ("HEAD", b"/component/a.b/index.html", True),
        ("GET", b"/_stcore/bidi-components/x/index.js", True),
        ("PUT", b"/media/abc.png", False),
        ("GET", b"/", False),
        ("GET", b"/_stcore/health", False),
        ("GET", b"/mediathek", False),
    ],
)
def test_what_any_instance_may_have(method: str, raw: bytes, *, expected: bool) -> None:
    """Files that a run registers; reading them changes nothing."""
    assert is_shared(method, raw) is expected

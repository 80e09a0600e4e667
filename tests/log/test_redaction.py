"""Secrets in queries, paths, keys and free text."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxlit.log.redaction import MARK, SECRET_PARAMETERS, Redaction, is_secret_key, redact_path

REDACTION = Redaction()
SAFE = st.text("abcdefghijklmnopqrstuvwxyz%+;0123456789", max_size=12)


@pytest.mark.parametrize("name", sorted(SECRET_PARAMETERS))
@pytest.mark.parametrize("spell", [str, str.upper, str.title])
def test_a_secret_parameter_is_hidden_in_any_case(name: str, spell: type[str]) -> None:
    """The value is gone, the name and the parameters around it stay."""
    query = f"a=1&{spell(name)}=s3cr3t;x&b=2"
    assert REDACTION.query(query.encode()) == f"a=1&{spell(name)}={MARK}&b=2"


@pytest.mark.parametrize(
    ("query", "hidden"),
    [
        ("f%6Cuxlit_sid=v", "f%6Cuxlit_sid=***"),
        ("a=1;token=v", "a=1;token=***"),
        ("token[]=v&token[0]=w", "token[]=***&token[0]=***"),
        ("+token=v", "+token=***"),
        ("token=v=w", "token=***"),
        ("token=", "token=***"),
        ("token", "token"),
        ("", ""),
    ],
)
def test_spellings_that_servers_understand_are_hidden_too(query: str, hidden: str) -> None:
    """Percent-encoding, brackets, semicolons and spaces do not help a secret out."""
    assert REDACTION.query(query) == hidden


@given(st.lists(st.tuples(st.text("bdfgh", min_size=1, max_size=3), SAFE)))
def test_the_rest_of_a_query_stays_verbatim(pairs: list[tuple[str, str]]) -> None:
    """A query without secret names is written as it came, byte for byte."""
    query = "&".join(f"{name}={value}" for name, value in pairs)
    assert REDACTION.query(query) == query


def test_parameters_of_the_configuration_are_secret_as_well() -> None:
    """`log.redact` adds names, in any case."""
    assert Redaction(["Ticket"]).query(b"TICKET=1&state=2&x=3") == "TICKET=***&state=***&x=3"


def test_a_query_that_is_not_utf8_is_written_with_escapes() -> None:
    """No query can make the log fail."""
    assert REDACTION.query(b"a=\xff&token=\xff") == "a=\\xff&token=***"


@pytest.mark.parametrize(
    ("path", "hidden"),
    [
        (b"/_stcore/upload_file/abc/def", "/_stcore/upload_file/***/def"),
        (b"/content/1/_stcore/upload_file/abc/def", "/content/1/_stcore/upload_file/***/def"),
        (b"/%5Fstcore/upload%5ffile/abc", "/%5Fstcore/upload%5ffile/***"),
        (b"/_stcore/upload_file/", "/_stcore/upload_file/"),
        (b"/_stcore/stream", "/_stcore/stream"),
        (b"/media/abc.png", "/media/abc.png"),
    ],
)
def test_the_session_id_in_an_upload_path_is_hidden(path: bytes, hidden: str) -> None:
    """At any mount and in any spelling; other paths stay."""
    assert redact_path(path) == hidden


@pytest.mark.parametrize(
    "key",
    ["Authorization", "PROXY-AUTHORIZATION", "cookie", "Set-Cookie", "access_token", "X-Xsrftoken", "session_id",
     "Sec-WebSocket-Protocol", "db_password", "CLIENT SECRET", "sid", "session", "x-api-key"],
)  # fmt: skip
def test_keys_of_secrets_are_known_in_any_spelling(key: str) -> None:
    """Case, dashes, spaces and words around it do not matter."""
    assert is_secret_key(key)


@pytest.mark.parametrize(
    "key", ["sessions", "pid", "status", "path", "instance", "event", "message", "keyboard"]
)
def test_what_operators_need_is_not_secret(key: str) -> None:
    """Counts and names stay readable."""
    assert not is_secret_key(key)


@pytest.mark.parametrize(
    "text",
    [
        "GET http://x/cb?code=S3cr3tS3cr3t HTTP/1.1",
        "/?a=1&Fluxlit_Sid=S3cr3tS3cr3t",
        "Authorization: Bearer S3cr3tS3cr3t",
        "headers: {'authorization': 'Basic S3cr3tS3cr3t', 'x': 1}",
        "(b'cookie', b'_streamlit_xsrf=S3cr3tS3cr3t')",
        '{"a":1,"refresh_token":"S3cr3t, S3cr3t","b":2}',
        "{'DB-Password': b'S3cr3t', 'pid': 1}",
        '{"api_key": S3cr3t}',
        "used bearer S3cr3tS3cr3t for it",
        "PUT /_stcore/upload_file/S3cr3tS3cr3t/1",
    ],
)
def test_secrets_in_the_lines_of_others_are_hidden(text: str) -> None:
    """Libraries and users print requests and headers; their text passes through us."""
    assert "S3cr3t" not in REDACTION.text(text)


def test_ordinary_text_stays_as_it_is() -> None:
    """Words that only sound like secrets are not touched."""
    text = "the keyboard code=7 of state=ready; basic understanding of cookies"
    assert REDACTION.text(text) == text


@pytest.mark.parametrize(
    "unit", ['"token', "token", "?token=", "cookie:", "bearer ", "_stcore/upload_file/", "'a':"]
)
def test_no_text_is_slow_to_search(unit: str) -> None:
    """A megabyte made to make patterns backtrack; quadratic time would be minutes."""
    text = f'"x":{unit * (1_000_000 // len(unit))}'
    before = time.process_time()
    REDACTION.text(text)
    assert time.process_time() - before < 5

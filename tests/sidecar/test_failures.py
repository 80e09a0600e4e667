"""What users and operators see of a page that fails."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doubles.apptest import own_process, session, user_module

BOOM = """
@app.page('/')
def home(st):
    st.write('before')
    raise ValueError('password is s3cret')

@app.page('/stop')
def stop(st):
    st.write('before')
    st.stop()

@app.page('/again')
def again(st):
    if 'done' not in st.session_state:
        st.session_state.done = True
        st.rerun()
    st.write('again')
"""


@pytest.fixture(autouse=True)
def process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An application of failing pages, in a process of its own."""
    with own_process():
        monkeypatch.setenv("FLUXLIT_APP", user_module(tmp_path, BOOM))
        yield


def test_users_see_a_sentence_and_a_reference_and_no_detail(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Type, message, stack and paths stay in the log; what was drawn before stays on the page."""
    test = session().run()
    assert [each.value for each in test.markdown] == ["before"]
    assert not test.exception
    (error,) = test.error
    assert "Something went wrong" in error.value
    assert "s3cret" not in error.value
    reference = re.search(r"Reference: `([0-9a-f]{32})`", error.value)
    assert reference is not None
    assert capsys.readouterr().err.splitlines()[-1].endswith(f"[page /, request id {reference[1]}]")


def test_operators_see_one_traceback_that_begins_in_the_users_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One entry for one failure; our own frames say nothing."""
    session().run()
    lines = capsys.readouterr().err.splitlines()
    assert sum(line.startswith("Traceback") for line in lines) == 1
    assert lines[0] == "Traceback (most recent call last):"
    assert "user_" in lines[1]
    assert lines[-1].startswith("ValueError: password is s3cret [page /, ")


def test_debug_shows_the_whole_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a developer's own screen; the log has it all the same."""
    monkeypatch.setenv("FLUXLIT_DEBUG", "true")
    test = session().run()
    assert test.exception[0].message == "password is s3cret"
    assert "user_" in test.exception[0].stack_trace[0]
    assert "ValueError" in capsys.readouterr().err


@pytest.mark.parametrize(("slug", "text"), [("stop", "before"), ("again", "again")])
def test_a_stop_and_a_rerun_are_no_failures(
    slug: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Streamlit raises to end a run; that is not ours to catch."""
    test = session(slug).run()
    assert [each.value for each in test.markdown] == [text]
    assert not test.error
    assert capsys.readouterr().err == ""


def test_the_request_id_of_the_session_is_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway's id is what the user's report and the access log share."""
    monkeypatch.setattr(
        "streamlit.context", type("Context", (), {"headers": {"X-Request-ID": "req-7"}})
    )
    assert "`req-7`" in session().run().error[0].value


@pytest.mark.parametrize("given", ["a b", "`x`", "x\nERROR forged", "x" * 129, ""])
def test_an_odd_request_id_is_not_repeated(
    given: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither into the page nor into the log."""
    monkeypatch.setattr(
        "streamlit.context", type("Context", (), {"headers": {"X-Request-ID": given}})
    )
    assert re.search(r"`[0-9a-f]{32}`", session().run().error[0].value)
    assert "forged" not in capsys.readouterr().err


def test_an_application_that_cannot_be_imported_is_shown_and_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No blank page: a sentence for the user, one traceback for the operator."""
    monkeypatch.setenv("FLUXLIT_APP", user_module(tmp_path / "broken", "undefined_name\n"))
    test = session().run()
    assert "could not be loaded" in test.error[0].value
    assert "undefined_name" not in test.error[0].value
    lines = capsys.readouterr().err.splitlines()
    assert sum(line.startswith("Traceback") for line in lines) == 1
    assert "user_broken.py:3: NameError: name 'undefined_name' is not defined" in lines[-1]


def test_a_mended_application_is_loaded_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure is not remembered: its cause may have been a database that was down."""
    target = user_module(tmp_path / "mended", "undefined_name\n")
    monkeypatch.setenv("FLUXLIT_APP", target)
    test = session().run()
    assert test.error
    user_module(tmp_path / "mended", "@app.page('/')\ndef home(st):\n    st.write('well')\n")
    assert [each.value for each in test.run().markdown] == ["well"]

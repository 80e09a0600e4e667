"""What the daemon writes: one JSON object a line, the sidecar's words in it, secrets not in it."""

import pytest

from tests.doubles.streamlit_session import StreamlitSession
from tests.system import apps
from tests.system.conftest import Start

pytestmark = pytest.mark.system

CHATTY = (
    apps.SMALL
    + """

@app.page("/broken", title="Broken")
def broken(st):
    print("a word from the page", flush=True)
    raise ValueError("the page is broken")
"""
)


def test_every_line_is_one_json_object(start: Start, backend: str) -> None:
    """From the first line to the last, on both backends, with time, level and event."""
    daemon = start("--backend", backend).wait_ready()
    daemon.ask("/api/ping")
    daemon.ask("/")
    assert daemon.stop() == 0
    assert len(daemon.log.events) == len(daemon.log.lines)
    assert all({"event", "level", "time"} <= set(event) for event in daemon.log.events)


def test_the_request_id_is_taken_returned_passed_on_and_logged(start: Start) -> None:
    """A client's own id if it is harmless, else a new one; the API sees the same."""
    daemon = start()
    taken = daemon.ask("/api/ping", headers={"X-Request-ID": "abc-123"})
    assert taken.headers["x-request-id"] == "abc-123"
    assert taken.json()["headers"]["x-request-id"] == "abc-123"
    daemon.wait_event("request.done", request_id="abc-123")
    made = daemon.ask("/api/ping", headers={"X-Request-ID": "bad id " + "x" * 500})
    assert "bad" not in made.headers["x-request-id"]


def test_f78_secrets_are_not_in_the_log(start: Start) -> None:
    """Query secrets, cookies, authorization and session ids of a request never reach the log."""
    daemon = start().wait_ready()
    secret = "s3cr3t-never-log-me"
    daemon.ask(
        f"/api/ping?auth_code={secret}&fluxlit_sid={secret}&x=1",
        headers={"Authorization": f"Bearer {secret}"},
    )
    daemon.ask("/", headers={"Cookie": f"session={secret}"})
    daemon.ask(f"/_stcore/upload_file/{secret}/file1", "PUT", body=b"x")
    daemon.wait_event("request.done", method="PUT")
    assert daemon.stop() == 0
    assert secret not in daemon.story()


def test_a_traceback_of_a_page_is_one_event(start: Start) -> None:
    """The sidecar's output comes as events; a traceback is one of them, with its type."""
    daemon = start(files={"app.py": CHATTY}).wait_ready()
    with StreamlitSession(daemon.port) as session:
        session.run("broken")
        shown = " ".join(session.texts)
    told = daemon.wait_event("sidecar.traceback", exc_type="ValueError")
    assert "the page is broken" in told["exc_message"]
    assert "the page is broken" not in shown


def test_a_reader_that_stops_does_not_stop_the_daemon(start: Start, backend: str) -> None:
    """Nobody reads standard output any more (a stuck log driver): requests are answered, TERM still ends it with 0."""
    daemon = start("--backend", backend).wait_ready()
    daemon.log.deaf = True
    for number in range(200):
        assert daemon.ask(f"/api/item/{number}?{'x' * 2000}").status == 200
    assert daemon.stop() == 0


PRINTS = (
    apps.SMALL
    + """

@app.api.get("/say")
def say():
    print("a word from the API")
    return "said"


print("a word from the import")
"""
)


def test_what_the_api_prints_is_an_event(start: Start, backend: str) -> None:
    """Every line on standard output stays one JSON object, with the request's id where there is one."""
    daemon = start("--backend", backend, files={"app.py": PRINTS})
    daemon.wait_event("api.output", message="a word from the import")
    answer = daemon.ask("/api/say")
    said = daemon.wait_event("api.output", message="a word from the API")
    assert said["request_id"] == answer.headers["x-request-id"]
    assert all(line.startswith("{") for line in daemon.log.lines)

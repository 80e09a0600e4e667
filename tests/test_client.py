"""ApiClient: one base address, no proxies, no cookies, connections reused."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx
import pytest
from pydantic import BaseModel, ValidationError

from fluxlit.client import ApiClient, shared_client
from fluxlit.errors import ConfigError

BASE = "http://127.0.0.1:8000/api"


class Tea(BaseModel):
    """A body and an answer."""

    name: str
    minutes: int = 3


def echo(request: httpx.Request) -> httpx.Response:
    """Answer with what arrived, and try to set a cookie."""
    seen = {
        "method": request.method,
        "url": str(request.url),
        "headers": dict(request.headers),
        "body": request.content.decode(),
    }
    return httpx.Response(200, json=seen, headers={"set-cookie": "user=alice; Path=/"})


@pytest.fixture
def client() -> Iterator[ApiClient]:
    """A client whose requests go no further than this process."""
    with ApiClient(BASE, transport=httpx.MockTransport(echo)) as client:
        yield client


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
def test_every_method_calls_below_the_base(client: ApiClient, method: str) -> None:
    """The prefix of the base stays, with and without a leading slash."""
    for path in ("/items", "items"):
        seen = getattr(client, method)(path, params={"a": "1"}).json()
        assert (seen["method"], seen["url"]) == (method.upper(), f"{BASE}/items?a=1")


@pytest.mark.parametrize(
    "path",
    [
        "http://evil.example/x",
        "HTTPS://evil.example/x",
        "//evil.example/x",
        "\\\\evil.example",
        "file:///etc/passwd",
        "mailto:x",
        "/../admin",
        "/items/../../admin",
        "/items/./x",
        "..",
    ],
)
def test_a_path_that_leaves_the_base_is_refused_before_anything_is_sent(
    client: ApiClient, path: str
) -> None:
    """A value that a user typed must not choose the host or the prefix."""
    with pytest.raises(ValueError, match=r"below the API|as a part"):
        client.get(path)


def test_default_headers_go_with_every_request() -> None:
    """And those of one request win."""
    with ApiClient(
        BASE, default_headers={"x-a": "1", "x-b": "1"}, transport=httpx.MockTransport(echo)
    ) as client:
        seen = client.get("/", headers={"x-b": "2"}).json()["headers"]
    assert (seen["x-a"], seen["x-b"]) == ("1", "2")


def test_a_cookie_of_one_answer_never_goes_out_with_the_next_request(client: ApiClient) -> None:
    """One client serves the page runs of all users: a kept cookie would be another user's login."""
    assert "set-cookie" in client.get("/login").headers
    assert "cookie" not in client.get("/me").json()["headers"]


def test_models_are_sent_and_read(client: ApiClient) -> None:
    """A model or a plain mapping goes out as JSON; the answer is validated."""

    class Seen(BaseModel):
        body: str

    sent = client.post_model("/teas", Seen, body=Tea(name="Assam"))
    assert json.loads(sent.body) == {"name": "Assam", "minutes": 3}
    assert json.loads(client.post_model("/teas", Seen, body={"a": 1}).body) == {"a": 1}
    with pytest.raises(ValidationError):
        client.get_model("/teas", Tea)


def test_an_error_status_is_returned_by_the_methods_and_raised_for_models() -> None:
    """There is no model in an error."""
    transport = httpx.MockTransport(lambda _: httpx.Response(404, json={"detail": "no tea"}))
    with ApiClient(BASE, transport=transport) as client:
        assert client.get("/teas/9").status_code == 404
        with pytest.raises(httpx.HTTPStatusError):
            client.get_model("/teas/9", Tea)


def test_the_base_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The supervisor says where the API is; an argument wins."""
    monkeypatch.setenv("FLUXLIT_INTERNAL_API_BASE", f"{BASE}/")
    with ApiClient() as client, ApiClient("http://127.0.0.1:1") as other:
        assert repr(client) == f"<ApiClient {BASE}>"
        assert other.base_url == "http://127.0.0.1:1"


@pytest.mark.parametrize("base", [None, "", "127.0.0.1:8000", "/api", "ftp://x/api", "http://"])
def test_without_a_usable_base_the_error_says_what_to_do(
    base: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No guess at a port: the wrong one would reach somebody else's service."""
    monkeypatch.delenv("FLUXLIT_INTERNAL_API_BASE", raising=False)
    with pytest.raises(ConfigError, match="fluxlit run"):
        ApiClient(base)


class Connections(BaseHTTPRequestHandler):
    """Answers with the client's port, so that a test sees which connection was used."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer any path."""
        body = str(self.client_address[1]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Stay silent."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A real API whose address is in the environment, beside a proxy that leads nowhere."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Connections) as server:
        base = f"http://127.0.0.1:{server.server_port}/api"
        monkeypatch.setenv("FLUXLIT_INTERNAL_API_BASE", base)
        monkeypatch.setattr("fluxlit.client._shared", {})
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield base
            shared_client().close()
        finally:
            server.shutdown()
            thread.join()


def test_page_runs_share_a_client_that_reuses_its_connection_and_no_proxy(server: str) -> None:
    """A rerun does not open a connection anew; HTTP_PROXY changes nothing for loopback."""
    client = shared_client()
    assert client.base_url == server
    assert len({shared_client().get("/x").text for _ in range(3)}) == 1


def test_many_threads_make_one_shared_client(server: str) -> None:
    """Sessions run in threads and start at the same moment."""

    def nth(_: int) -> ApiClient:
        return shared_client()

    with ThreadPoolExecutor(8) as pool:
        clients = list(pool.map(nth, range(32)))
    assert len(set(map(id, clients))) == 1

"""One port serves the API and the UI of a real app; health answers by state; the relay is faithful."""

import http.client
import json
import socket
import threading
import time
from pathlib import Path

import pytest

from tests.doubles.streamlit_session import StreamlitSession
from tests.system import apps
from tests.system.conftest import Start
from tests.system.daemon import Daemon

pytestmark = pytest.mark.system

PREFIX = "/content/123"


def test_the_demo_is_served_on_one_port(start: Start, backend: str) -> None:
    """`/` is the Streamlit UI, `/api` the FastAPI app with its docs; nothing but the public port is not loopback."""
    daemon = start("--backend", backend, "fluxlit.demo.app:app", files={}).wait_ready()
    page = daemon.ask("/")
    assert page.status == 200
    assert b"<title>Streamlit</title>" in page.body
    assert daemon.ask("/api/docs").status == 200
    schema = daemon.ask("/api/openapi.json").json()
    assert len(schema["paths"]) >= 2
    assert daemon.ask("/docs").headers["location"] == "/api/docs"
    with StreamlitSession(daemon.port) as session:
        session.run()
        assert not any("Traceback" in text for text in session.texts)


def test_the_sidecar_is_apart_and_clean(start: Start) -> None:
    """Own session and process group, loopback only, header limits raised, no port or gateway variables inherited."""
    environment = {
        "PORT": "1",
        "UVICORN_PORT": "2",
        "FORWARDED_ALLOW_IPS": "*",
        "NOTIFY_SOCKET": "/none",
    }
    daemon = start(environment=environment).wait_ready()
    place = Path("/proc", str(daemon.sidecar))
    fields = place.joinpath("stat").read_text().rpartition(")")[2].split()
    assert int(fields[2]) == int(fields[3]) == daemon.sidecar
    variables = dict(
        entry.split("=", 1)
        for entry in place.joinpath("environ").read_text().split("\0")
        if "=" in entry
    )
    assert variables["FORWARDED_ALLOW_IPS"] == "127.0.0.1,::1"
    assert int(variables["WEBSOCKETS_MAX_LINE_LENGTH"]) >= 65536
    assert not {"PORT", "UVICORN_PORT", "NOTIFY_SOCKET"} & set(variables)
    assert not any(address != "0100007F" for address in _listening(daemon.sidecar))


def _listening(pid: int) -> list[str]:
    links = [
        str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()
    ]
    own = {link[8:-1] for link in links if link.startswith("socket:")}
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    six = [line.split() for line in Path("/proc/net/tcp6").read_text().splitlines()[1:]]
    return [row[1].split(":")[0] for row in [*rows, *six] if row[3] == "0A" and row[9] in own]


def test_f98_health_answers_get_and_head(start: Start, backend: str) -> None:
    """Healthz and readyz: 200 by GET and HEAD, JSON with the state, no-store, never redirected, quick."""
    daemon = start("--backend", backend, environment={"FLUXLIT_ROOT_PATH": PREFIX}).wait_ready()
    for path in ("/api/healthz", "/api/readyz", f"{PREFIX}/api/healthz", f"{PREFIX}/api/readyz"):
        got, head = daemon.ask(path), daemon.ask(path, "HEAD")
        assert (got.status, head.status) == (200, 200)
        assert head.body == b""
        assert got.headers["cache-control"] == "no-store"
        body = got.json()
        assert body["state"] == "ready"
        assert {"since", "instances", "generation", "restarts"} <= set(body)
    times: list[float] = []
    for _ in range(50):
        began = time.perf_counter()
        daemon.ask("/api/healthz")
        times.append(time.perf_counter() - began)
    print(f"healthz, median of 50 with connecting: {sorted(times)[25] * 1000:.2f} ms")


def test_f72_a_large_message_passes(start: Start, backend: str) -> None:
    """A dataframe of 60 000 x 4 (a message above 1 MiB, where others cut the socket) arrives whole."""
    daemon = start("--backend", backend, files={"app.py": apps.BIG}).wait_ready()
    with StreamlitSession(daemon.port) as session:
        deltas = session.run()
        assert max(len(delta.SerializeToString()) for delta in deltas) > 1_000_000
        assert "Big done" in session.texts


def test_a_handshake_with_large_cookies_is_answered(start: Start) -> None:
    """12 KB of single sign-on cookies: 101, where Streamlit alone hangs without an answer."""
    daemon = start().wait_ready()
    cookie = "; ".join(f"_oauth2_proxy_{n}={'x' * 3000}" for n in range(4))
    with StreamlitSession(daemon.port, headers={"Cookie": cookie}, timeout=10) as session:
        session.run()
        assert session.session_id


def test_f61_f64_paths_reach_the_api_byte_for_byte(start: Start, backend: str) -> None:
    """Escapes, also beyond latin-1 and of `%` itself, are what the API sees in raw_path; nothing is a 500."""
    daemon = start("--backend", backend)
    for raw in ("a%3Fb", "a%23b", "%25", "%E2%82%AC", "x%2Fy"):
        answer = daemon.ask(f"/api/item/{raw}")
        assert answer.status == 200, (raw, answer)
        assert answer.json()["raw"].endswith(f"/item/{raw}")
    assert daemon.ask("/api/item/%E2%82%AC").json()["name"] == "€"
    for raw in ("%00", "%0d%0a"):
        assert daemon.ask(f"/api/item/{raw}").status in (200, 400)


def test_f77_a_foreign_origin_gets_no_session(start: Start) -> None:
    """Cross-site WebSocket: 403 before Streamlit hears of it, and a log line that names the setting."""
    daemon = start().wait_ready()
    here = daemon.events_so_far
    assert _handshake(daemon, "https://evil.example").startswith(b"HTTP/1.1 403")
    refused = daemon.wait_event("request.refused", start=here)
    assert "allowed_origins" in json.dumps(refused)
    assert _handshake(daemon, f"http://127.0.0.1:{daemon.port}").startswith(b"HTTP/1.1 101")


def _handshake(daemon: Daemon, origin: str) -> bytes:
    with socket.create_connection(("127.0.0.1", daemon.port), 10) as sock:
        sock.sendall(
            f"GET /_stcore/stream HTTP/1.1\r\nHost: 127.0.0.1:{daemon.port}\r\nOrigin: {origin}\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: streamlit\r\n\r\n".encode()
        )
        return sock.recv(200)


@pytest.mark.parametrize("public", ["", PREFIX], ids=["stripped", "kept"])
def test_f08_the_prefix_may_be_stripped_or_kept(start: Start, public: str) -> None:
    """Below --root-path the same daemon serves requests with and without the prefix; URLs made inside carry it."""
    daemon = start("--root-path", PREFIX).wait_ready()
    assert b"<title>Streamlit</title>" in daemon.ask(f"{public}/").body
    ping = daemon.ask(f"{public}/api/ping").json()
    assert ping["root_path"] == f"{PREFIX}/api"
    assert ping["url"].endswith(f"{PREFIX}/api/ping")
    assert daemon.ask(f"{public}/api/openapi.json").json()["servers"] == [{"url": f"{PREFIX}/api"}]
    assert f"{PREFIX}/api/openapi.json".encode() in daemon.ask(f"{public}/api/docs").body
    assert daemon.ask(f"{public}/docs").headers["location"] == f"{PREFIX}/api/docs"
    with StreamlitSession(daemon.port, public) as session:
        session.run()
        assert "Small home" in " ".join(session.texts)


FORGED = {
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "app.example.com",
    "X-Real-IP": "203.0.113.9",
    "Forwarded": "for=203.0.113.9;proto=https",
}


def test_f81_forwarding_headers_of_strangers_reach_nobody(start: Start) -> None:
    """Trust is off by default: the API sees the peer, http and the Host as sent."""
    daemon = start()
    ping = daemon.ask("/api/ping", headers=FORGED).json()
    assert (ping["client"], ping["scheme"], ping["host"]) == (
        "127.0.0.1",
        "http",
        f"127.0.0.1:{daemon.port}",
    )
    assert "203.0.113.9" not in json.dumps(ping)


def test_f83_forwarding_headers_of_the_proxy_are_believed(start: Start) -> None:
    """With trust_proxy and the peer in forwarded_allow_ips: client, scheme and host are the proxy's word."""
    environment = {"FLUXLIT_TRUST_PROXY": "1", "FLUXLIT_FORWARDED_ALLOW_IPS": "127.0.0.0/8"}
    daemon = start(environment=environment)
    headers = {k: v for k, v in FORGED.items() if k != "Forwarded"}
    ping = daemon.ask("/api/ping", headers=headers).json()
    assert (ping["client"], ping["scheme"], ping["host"]) == (
        "203.0.113.9",
        "https",
        "app.example.com",
    )
    assert ping["url"] == "https://app.example.com/api/ping"


def test_f44_proxy_variables_change_nothing_on_loopback(start: Start) -> None:
    """HTTP_PROXY points nowhere: probes, relay and the pages' client still reach loopback."""
    nowhere = {
        "HTTP_PROXY": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
        "ALL_PROXY": "http://127.0.0.1:9",
    }
    daemon = start(environment=nowhere).wait_ready()
    with StreamlitSession(daemon.port) as session:
        session.run()
        assert "ping says" in " ".join(session.texts)


def test_f79_cookies_of_one_user_never_reach_another(start: Start) -> None:
    """Two interleaved browsers: each is set its own XSRF token, none is sent the other's."""
    daemon = start().wait_ready()
    tokens = {daemon.ask("/_stcore/health").headers["set-cookie"].split(";")[0] for _ in range(3)}
    assert len(tokens) == 3


def test_many_requests_at_once_on_few_connections(start: Start, backend: str) -> None:
    """100 clients at once over the relay are all answered whole."""
    daemon = start("--backend", backend).wait_ready()
    bodies: list[bytes] = []

    def fetch() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=30)
        for _ in range(3):
            connection.request("GET", "/")
            bodies.append(connection.getresponse().read())
        connection.close()

    threads = [threading.Thread(target=fetch) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(bodies) == 300
    assert len(set(bodies)) == 1

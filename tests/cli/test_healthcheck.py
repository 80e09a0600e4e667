"""`fluxlit healthcheck` against a small real server."""

import socket
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from time import perf_counter
from typing import ClassVar

import pytest

from fluxlit.cli import healthcheck
from fluxlit.config.settings import Gateway
from tests.cli.commands import environment, fluxlit


class Answers(BaseHTTPRequestHandler):
    """Answers by path and keeps what was asked."""

    statuses: ClassVar = {"/api/healthz": 200, "/api/readyz": 503, "/v1/healthz": 200}
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        """Answer with the status of the path."""
        self.asked.append(self.path)
        self.send_response(self.statuses.get(self.path, 404))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing."""


@contextmanager
def serving(host: str = "127.0.0.1") -> Generator[int, None, None]:
    """Serve on a free port."""
    with HTTPServer((host, 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def answering(data: bytes) -> Generator[int, None, None]:
    """Accept one connection, send ``data``, and keep it open until the end."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        accepted: list[socket.socket] = []

        def accept() -> None:
            connection, _ = server.accept()
            connection.sendall(data)
            accepted.append(connection)

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            thread.join()
            for connection in accepted:
                connection.close()


@contextmanager
def refusing() -> Generator[int, None, None]:
    """A port that is bound, so nobody else gets it, and refuses: nobody listens on it."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def test_alive(tmp_path: Path) -> None:
    """A daemon that answers 200 is alive; the time of the whole process is printed."""
    with serving() as port:
        begin = perf_counter()
        result = fluxlit(tmp_path, "healthcheck", variables={"FLUXLIT_GATEWAY_PORT": str(port)})
        print(f"healthcheck took {(perf_counter() - begin) * 1000:.0f} ms")
    assert (result.returncode, result.stdout, result.stderr) == (0, "ok\n", "")


def test_alive_and_not_ready(tmp_path: Path) -> None:
    """--ready asks readyz: 503 is unhealthy, and one line says so."""
    with serving() as port:
        result = fluxlit(tmp_path, "healthcheck", "--ready", "--port", str(port))
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f"fluxlit: 127.0.0.1:{port}: /api/readyz answers 503\n"


def test_settings_of_the_file(tmp_path: Path) -> None:
    """Port and API prefix come from the same file as the daemon's; root_path is the proxy's matter."""
    with serving() as port:
        (tmp_path / "x.toml").write_text(
            f"gateway_port = {port}\napi_mount_path = '/v1'\nroot_path = '/a'"
        )
        result = fluxlit(tmp_path, "healthcheck", "--config", "x.toml")
    assert (result.returncode, Answers.asked[-1]) == (0, "/v1/healthz")


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1", "localhost"])
def test_asked_on_loopback(host: str) -> None:
    """A daemon that listens on every address is asked on this machine's."""
    with serving() as port:
        healthcheck.check(Gateway(host=host, port=port), ready=False, timeout=5)


def test_f44_proxies_are_not_asked(tmp_path: Path) -> None:
    """F44: HTTP_PROXY does not lead the question out of the machine."""
    with serving() as port, refusing() as other:
        proxy = f"http://127.0.0.1:{other}"
        variables = {"HTTP_PROXY": proxy, "http_proxy": proxy, "ALL_PROXY": proxy}
        result = fluxlit(tmp_path, "healthcheck", f"--port={port}", variables=variables)
    assert result.returncode == 0


def test_nobody_listens(tmp_path: Path) -> None:
    """No daemon, no health."""
    with refusing() as port:
        result = fluxlit(tmp_path, "healthcheck", "--port", str(port))
    assert (result.returncode, result.stderr) == (
        1,
        f"fluxlit: 127.0.0.1:{port}: Connection refused\n",
    )


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"HTTP/1.1 2", "no answer within"),
        (b"SSH-2.0-x\r\n", "not HTTP"),
        (b"HTTP/1.1 503\r\n\r\n", "answers 503"),
    ],
)
def test_odd_answers(data: bytes, words: str) -> None:
    """Silence, other protocols and other statuses are each told apart."""
    with (
        answering(data) as port,
        pytest.raises(healthcheck.Unhealthy, match=words),
    ):
        healthcheck.check(Gateway(port=port), ready=False, timeout=0.2)


def test_an_unknown_port() -> None:
    """Port 0 is some port: it cannot be asked."""
    with pytest.raises(healthcheck.Unhealthy, match=r"gateway\.port"):
        healthcheck.check(Gateway(port=0), ready=False, timeout=1)


def test_wrong_settings(tmp_path: Path) -> None:
    """With a broken configuration there is one line and status 1, as health checks know it."""
    variables = {"FLUXLIT_GATEWAY_PORT": "x", "FLUXLIT_LOG_LEVEL": "loud"}
    result = fluxlit(tmp_path, "healthcheck", variables=variables)
    assert (result.returncode, len(result.stderr.splitlines())) == (1, 1)
    assert result.stderr.endswith("(and 1 more)\n")


@pytest.mark.parametrize("argv", [["--timeout", "0"], ["--timeout", "x"], ["--redy"]])
def test_usage_errors(tmp_path: Path, argv: list[str]) -> None:
    """A wrong flag is a usage error."""
    assert fluxlit(tmp_path, "healthcheck", *argv).returncode == 2


def test_it_imports_little(tmp_path: Path) -> None:
    """It loads nothing outside of the standard library, and not much of that."""
    code = (
        "import sys\n"
        "sys.argv = ['fluxlit', 'healthcheck', '--port', '1', '--timeout', '100ms']\n"
        "from fluxlit.__main__ import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(*{name.split('.')[0] for name in sys.modules if '_finder' not in name})\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(result.stdout.split())
    site = {"sitecustomize", "usercustomize", "_distutils_hack", "coverage", "__mp_main__"}
    assert "fluxlit" in loaded
    assert loaded - set(sys.stdlib_module_names) - site == {"fluxlit", "__main__"} & loaded
    assert loaded.isdisjoint({"typer", "fastapi", "pydantic", "anyio", "asyncio", "http", "email"})


def test_a_unix_socket_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The socket of gateway.uds, under the host localhost; an inherited one cannot be known."""
    monkeypatch.chdir(tmp_path)
    check, unhealthy = healthcheck.check, healthcheck.Unhealthy
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
        server.listen()

        def answer() -> None:
            client, _ = server.accept()
            with client:
                assert b"Host: localhost\r\n" in client.recv(4096)
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        check(Gateway(uds="s"), ready=True, timeout=5)
        thread.join(5)
    with pytest.raises(unhealthy, match="unix:missing: No such file"):
        check(Gateway(uds="missing"), ready=True, timeout=5)
    with pytest.raises(unhealthy, match=r"gateway\.fd"):
        check(Gateway(fd=7), ready=True, timeout=5)

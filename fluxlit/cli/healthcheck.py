"""``fluxlit healthcheck``: asks the daemon on this machine whether it lives, or is ready.

For HEALTHCHECK of Docker and health commands of ECS, which start it every few seconds: standard
library only, no typer, well under 100 ms.
"""

import argparse
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import TypeAlias

from fluxlit.config.arguments import add_flags, as_flags
from fluxlit.config.load import load
from fluxlit.config.settings import Gateway
from fluxlit.config.table import TABLE
from fluxlit.config.units import seconds
from fluxlit.errors import ConfigError, FluxlitError

# Docker's and Kubernetes' probes give up after 30 s and 1 s; a daemon that lives answers in 5 ms.
TIMEOUT = 2.0
_MOST_HEAD = 64 * 1024

# A server bound to every address is asked on the loopback one.
_ASKED = {"0.0.0.0": "127.0.0.1", "::": "::1"}


Address: TypeAlias = tuple[str, int] | str
"""Host and port, or the path of a Unix socket."""


class Unhealthy(FluxlitError):  # noqa: N818 - a verdict, not a mishap
    """The daemon is not well, or cannot be asked: who was asked, and one sentence."""

    def __init__(self, asked: object, sentence: str) -> None:
        super().__init__(f"{asked}: {sentence}")


def main(argv: Sequence[str]) -> int:
    """Run the command: 0 and a word on standard output, or 1 and one line on standard error."""
    given = parser().parse_args(argv)
    try:
        gateway = _gateway(given)
        check(gateway, ready=given.ready, timeout=given.timeout)
    except Unhealthy as exc:
        sys.stderr.write(f"fluxlit: {exc}\n")
        return 1
    sys.stdout.write("ok\n")
    return 0


def parser() -> argparse.ArgumentParser:
    """Its options; host and port as given to ``run``, when they were not set elsewhere."""
    made = argparse.ArgumentParser(
        prog="fluxlit healthcheck",
        description="Exit with 0 if the daemon on this machine lives (--ready: is ready), else 1.",
        allow_abbrev=False,
    )
    made.add_argument("--ready", action="store_true", help="Ask readyz instead of healthz")
    made.add_argument("--timeout", type=_timeout, default=TIMEOUT, help="Seconds, 2 by default")
    made.add_argument("--config", metavar="FILE", type=Path, help="File with settings (TOML)")
    add_flags(made, [TABLE["gateway.host"], TABLE["gateway.port"]])
    return made


def _timeout(text: str) -> float:
    value = seconds(text)
    if value <= 0:
        raise ValueError(text)
    return value


def _gateway(given: argparse.Namespace) -> Gateway:
    try:
        loaded = load(as_flags(vars(given)), os.environ, Path.cwd(), given.config)
    except ConfigError as exc:
        first, *others = exc.problems
        more = f"found {first.found}, expected {first.expected}"
        raise Unhealthy(
            first.place, f"{more} (and {len(others)} more)" if others else more
        ) from exc
    return loaded.settings.gateway


def check(gateway: Gateway, *, ready: bool, timeout: float) -> None:
    """Ask the daemon; Unhealthy unless it answers 200 within ``timeout`` seconds."""
    if gateway.fd:
        raise Unhealthy("gateway.fd", "where an inherited socket listens is not known here")
    if gateway.port == 0 and not gateway.uds:
        raise Unhealthy("gateway.port", "it is 0, so the port that the daemon took is not known")
    path = f"{gateway.api_prefix}/{'readyz' if ready else 'healthz'}"
    address: Address = (_ASKED.get(gateway.host, gateway.host), gateway.port)
    address = gateway.uds or address
    try:
        status = _status(address, path, monotonic() + timeout)
    except TimeoutError as exc:
        raise Unhealthy(_name(address), f"no answer within {timeout:g} s") from exc
    except OSError as exc:
        raise Unhealthy(_name(address), exc.strerror or str(exc)) from exc
    if status != "200":
        raise Unhealthy(_name(address), f"{path} answers {status}")


def _name(address: Address) -> str:
    if isinstance(address, str):
        return f"unix:{address}"
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _connect(address: Address, timeout: float) -> socket.socket:
    if not isinstance(address, str):
        return socket.create_connection(address, timeout=timeout)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        connection.connect(address)
    except BaseException:
        connection.close()
        raise
    return connection


def _status(address: Address, path: str, deadline: float) -> str:
    """GET ``path`` and return the status of the answer (RFC 9112 section 4)."""
    host = "localhost" if isinstance(address, str) else _name(address)
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    with _connect(address, _left(deadline)) as connection:
        connection.sendall(request.encode("ascii"))
        line = _first_line(connection, deadline)
    version, _, rest = line.partition(" ")
    if not version.startswith("HTTP/1.") or not rest[:3].isdigit():
        raise Unhealthy(_name(address), "the answer is not HTTP")
    return rest[:3]


def _first_line(connection: socket.socket, deadline: float) -> str:
    received = b""
    while b"\r\n" not in received and len(received) < _MOST_HEAD:
        connection.settimeout(_left(deadline))
        data = connection.recv(4096)
        if not data:
            break
        received += data
    return received.split(b"\r\n", 1)[0].decode("latin-1")


def _left(deadline: float) -> float:
    """Seconds left, as a timeout; a socket's timeout of 0 would mean "do not wait at all"."""
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError
    return left

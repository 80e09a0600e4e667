"""Real children for real behaviour, and how tests start them and talk with them."""

import os
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGKILL
from uuid import uuid4

import anyio

from fluxlit.config.service import ServiceSpec
from fluxlit.supervisor.process import Child, spawn

_HERE = Path(__file__).parent


def command(name: str, *arguments: str, site: bool = False) -> tuple[str, ...]:
    """How to run tests/programs/<name>.py; ``site`` only if it imports more than the standard library."""
    flags = ("-u",) if site else ("-u", "-I", "-S")
    return (sys.executable, *flags, str(_HERE / f"{name}.py"), *arguments)


@asynccontextmanager
async def running(
    argv: tuple[str, ...],
    *,
    environment: Mapping[str, str] | None = None,
    instance: str = "",
    owned: set[int] | None = None,
) -> AsyncGenerator[Child]:
    """A child that is killed, reaped and closed when the block ends, however it ends."""
    spec = ServiceSpec("test", argv, environment or {"PATH": os.environ["PATH"]})
    child = spawn(spec, instance=instance or uuid4().hex, owned=owned)
    try:
        yield child
    finally:
        with anyio.CancelScope(shield=True), anyio.fail_after(10):
            child.signal(SIGKILL)
            await child.gone()
        child.reap()
        os.close(child.stdout)
        os.close(child.stderr)


async def read_line(descriptor: int) -> str:
    """The next line that a child writes, without its end; empty at the end of the stream."""
    line = b""
    with anyio.fail_after(20):
        while not line.endswith(b"\n"):
            await anyio.wait_readable(descriptor)
            if not (data := os.read(descriptor, 1)):
                break
            line += data
    return line.decode().rstrip("\n")


async def read_all(descriptor: int) -> str:
    """Everything a child writes until its end of the stream is closed."""
    found = b""
    with anyio.fail_after(20):
        while True:
            await anyio.wait_readable(descriptor)
            if not (data := os.read(descriptor, 65_536)):
                return found.decode()
            found += data

"""The real daemon from outside: start it, read its log as events, ask it over HTTP, and find what it leaves behind."""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MARK = "TESTS_OF_FLUXLIT"


@dataclass(frozen=True)
class Answer:
    """One HTTP answer, read whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class Log:
    """The lines of one stream as they come, as dictionaries where they are JSON objects."""

    lines: list[str] = field(default_factory=list[str])
    events: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    arrived: threading.Condition = field(default_factory=threading.Condition)
    ended: bool = False
    deaf: bool = False

    def read(self, stream: Any) -> None:
        """Read to the end; runs in a thread of its own."""
        for line in stream:
            with self.arrived:
                self.lines.append(line.rstrip("\n"))
                if line.startswith("{"):
                    self.events.append(json.loads(line))
                self.arrived.notify_all()
            if self.deaf:
                return
        with self.arrived:
            self.ended = True
            self.arrived.notify_all()

    def find(self, event: str, start: int = 0, **fields: Any) -> dict[str, Any] | None:
        """The first event from ``start`` on with that name and those fields."""
        wanted = {"event": event, **fields}
        return next(
            (e for e in self.events[start:] if all(e.get(k) == v for k, v in wanted.items())),
            None,
        )


def marked(mark: str) -> list[int]:
    """Processes, zombies excepted, that carry our mark in their environment."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if f"{MARK}={mark}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


class Daemon:
    """One daemon of a test, in its own folder, on a free port, with its children marked."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        module: str = "fluxlit.supervisor",
        prefix: Sequence[str] = (),
        port: int | None = 0,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self.folder = folder
        self.mark = uuid.uuid4().hex
        self.temporary = folder / "tmp"
        self.temporary.mkdir(exist_ok=True)
        self.log = Log()
        self.errors = Log()
        clean = {
            k: v
            for k, v in os.environ.items()
            if not k.startswith(("FLUXLIT_", "STREAMLIT_"))
            and k not in {"PORT", "XDG_RUNTIME_DIR", "RUNTIME_DIRECTORY"}
        }
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "-m", module, *arguments],
            cwd=folder,
            env={
                **clean,
                "HOME": str(folder),
                "TMPDIR": str(self.temporary),
                "PYTHONWARNINGS": "default",
                **({} if port is None else {"FLUXLIT_GATEWAY_PORT": str(port)}),
                **(environment or {}),
                MARK: self.mark,
            },
            stdin=subprocess.DEVNULL,
            pass_fds=pass_fds,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="backslashreplace",
        )
        self._readers = [
            threading.Thread(target=self.log.read, args=(self.process.stdout,), daemon=True),
            threading.Thread(target=self.errors.read, args=(self.process.stderr,), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    # What it says

    def wait_event(
        self, event: str, *, timeout: float = 40.0, start: int = 0, **fields: Any
    ) -> dict[str, Any]:
        """The first event with that name and those fields, waited for; fails with the whole log."""
        with self.log.arrived:
            self.log.arrived.wait_for(
                lambda: self.log.find(event, start, **fields) is not None or self.log.ended, timeout
            )
            found = self.log.find(event, start, **fields)
        assert found is not None, f"no {event} {fields} in the log:\n{self.story()}"
        return found

    def wait_line(self, text: str, *, timeout: float = 20.0) -> None:
        """Wait for a line on standard output that contains ``text``."""
        with self.log.arrived:
            self.log.arrived.wait_for(
                lambda: any(text in line for line in self.log.lines) or self.log.ended, timeout
            )
        assert any(text in line for line in self.log.lines), f"no line {text!r}:\n{self.story()}"

    def story(self) -> str:
        """All it has written."""
        return "\n".join([*self.log.lines, "--- stderr ---", *self.errors.lines])

    @property
    def events_so_far(self) -> int:
        """How many events there are now; a start for wait_event."""
        with self.log.arrived:
            return len(self.log.events)

    @property
    def port(self) -> int:
        """The public port, known once it listens."""
        return int(self.wait_event("daemon.listening")["port"])

    def wait_ready(self, timeout: float = 40.0) -> "Daemon":
        """Wait until the UI is served."""
        self.wait_event("daemon.phase", to="ready", timeout=timeout)
        return self

    @property
    def sidecar(self) -> int:
        """The process id of the sidecar that was spawned last."""
        with self.log.arrived:
            return int(
                [e for e in self.log.events if e.get("event") == "service.spawned"][-1]["pid"]
            )

    # What it answers

    def ask(
        self,
        path: str,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout: float = 30.0,
    ) -> Answer:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return Answer(
                answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
            )
        finally:
            connection.close()

    # How it ends

    def stop(self, number: int = signal.SIGTERM, timeout: float = 30.0) -> int:
        """Signal the daemon and wait for its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.wait(timeout)

    def wait(self, timeout: float = 30.0) -> int:
        """Wait for the exit status; the log is complete afterwards."""
        status = self.process.wait(timeout)
        for reader in self._readers:
            reader.join(5)
        return status

    def leftovers(self) -> dict[str, Any]:
        """Everything of ours that is still there: processes and temporary files."""
        return {
            name: found
            for name, found in {
                "processes": marked(self.mark),
                "files": [str(path) for path in self.temporary.rglob("*")],
            }.items()
            if found
        }

    def destroy(self) -> None:
        """End all of it, whatever the test did."""
        for pid in [self.process.pid, *marked(self.mark)]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait(10)
        for reader in self._readers:
            reader.join(5)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

"""``fluxlit stop``, ``drain``, ``restart``, ``reload`` and ``logs``: a word to the running daemon."""

import inspect
import os
import select
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import typer

from fluxlit.cli import options
from fluxlit.cli.dialogue import STATE_DIR, Dialogue, find
from fluxlit.protocol.control import LINES, MOST_LINES
from fluxlit.supervisor.state import answers

NAP = 0.1
"""Seconds between two looks at a daemon whose process we cannot see."""


def where() -> list[inspect.Parameter]:
    """--config and --state-dir: what finds the daemon."""
    return [options.config(), options.option(STATE_DIR)]


WAIT = options.parameter(
    "wait", bool, typer.Option(False, "--wait", help="Return when the daemon has ended")
)


@options.with_parameters([WAIT, *where()])
def stop(**given: object) -> None:
    """Stop the daemon of this folder in order, as SIGTERM does."""
    folder = find(given)
    with Dialogue(folder) as dialogue:
        pid = dialogue.pid
        seen = _open(pid)
        dialogue.ask("stop")
    print(f"fluxlit: the daemon (pid {pid}) is stopping")
    if given["wait"]:
        _wait(seen, folder)
    elif seen is not None:
        os.close(seen)


def _open(pid: int) -> int | None:
    with suppress(OSError):
        return os.pidfd_open(pid) if pid else None
    return None


def _wait(seen: int | None, folder: Path) -> None:
    """Until the process has exited; where it cannot be seen, until its socket is gone."""
    if seen is not None:
        select.select([seen], [], [])
        os.close(seen)
        return
    while answers(folder):
        time.sleep(NAP)


@options.with_parameters(where())
def drain(**given: object) -> None:
    """Answer readyz with 503 and serve on until `stop`."""
    _tell("drain", given, "readyz answers 503 from now on; `fluxlit stop` ends it")


@options.with_parameters(where())
def restart(**given: object) -> None:
    """Replace the Streamlit processes by new ones, without a gap."""
    _tell("restart", given, "a new generation is starting")


@options.with_parameters(where())
def reload(**given: object) -> None:
    """Read the configuration again."""
    _tell("reload", given, "the configuration is being read again")


def _tell(command: str, given: dict[str, object], done: str) -> None:
    with Dialogue(find(given)) as dialogue:
        dialogue.ask(command)
    print(f"fluxlit: {done}")


@options.with_parameters(
    [
        options.parameter(
            "follow", bool, typer.Option(False, "--follow", "-f", help="Go on with what comes")
        ),
        options.parameter(
            "lines",
            int,
            typer.Option(
                LINES, "--lines", "-n", min=0, max=MOST_LINES, help="How many to begin with"
            ),
        ),
        *where(),
    ]
)
def logs(**given: object) -> None:
    """Show the last lines of the log of the daemon."""
    with Dialogue(find(given)) as dialogue, suppress(KeyboardInterrupt):
        for answer in dialogue.stream("logs", lines=given["lines"], follow=given["follow"]):
            if "line" in answer:
                sys.stdout.write(f"{answer['line']}\n")
                sys.stdout.flush()


COMMANDS: tuple[Callable[..., None], ...] = (stop, drain, restart, reload, logs)

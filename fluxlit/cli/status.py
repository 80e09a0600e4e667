"""``fluxlit status``: how the daemon of this folder and its processes are, once or as a live table."""

import json
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

import typer

from fluxlit.cli import options, table
from fluxlit.cli.control import where
from fluxlit.cli.dialogue import Dialogue, NoDaemon, find

INTERVAL = 1.0
"""Seconds between two looks when watching."""
SAMPLE = 0.25
"""Seconds over which the CPU is measured when looking once."""

Status: TypeAlias = Mapping[str, Any]
Given: TypeAlias = dict[str, object]


@options.with_parameters(
    [
        options.parameter("as_json", bool, typer.Option(False, "--json", help="Write JSON")),
        options.parameter(
            "watch", bool, typer.Option(False, "--watch", "-w", help="Look again every second")
        ),
        *where(),
    ]
)
def status(**given: object) -> None:
    """Show how the daemon of this folder and its processes are."""
    if given["as_json"]:
        while True:
            print(json.dumps(ask(find(given)), indent=None if given["watch"] else 2), flush=True)
            if not given["watch"]:
                return
            time.sleep(INTERVAL)
    elif given["watch"]:
        with suppress(KeyboardInterrupt):
            _watch(given)
    else:
        _once(find(given))


def ask(folder: Path) -> Status:
    """The status document now."""
    with Dialogue(folder) as dialogue:
        found: Status = dialogue.ask("status")["status"]
        return found


def _once(folder: Path) -> None:
    load = table.CpuLoad()
    load.sample(ask(folder), time.monotonic())
    time.sleep(SAMPLE)
    seen = ask(folder)
    load.sample(seen, time.monotonic())
    if not sys.stdout.isatty():
        print(table.plain(seen, load))
        return
    from rich.console import Console  # noqa: PLC0415 - only for people

    Console().print(table.rich(seen, load))


def _watch(given: Given) -> None:
    load = table.CpuLoad()
    if not sys.stdout.isatty():
        while True:
            seen = ask(find(given))
            load.sample(seen, time.monotonic())
            print(table.plain(seen, load), flush=True)
            time.sleep(INTERVAL)
    from rich.console import Console  # noqa: PLC0415 - only for people
    from rich.live import Live  # noqa: PLC0415

    find(given)
    with Live(console=Console(), screen=True, auto_refresh=False) as live:
        while True:
            try:
                seen = ask(find(given))
            except NoDaemon as error:
                # It may be restarted in this moment; whoever watches wants to see it come back.
                live.update(table.absent(str(error)), refresh=True)
            else:
                load.sample(seen, time.monotonic())
                live.update(table.rich(seen, load, watching=True), refresh=True)
            time.sleep(INTERVAL)

"""Runs the real command in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path


def environment(variables: Mapping[str, str] = {}) -> dict[str, str]:
    """The environment without settings, on a screen of 80 columns, plus ``variables``."""
    kept = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith(("FLUXLIT_", "STREAMLIT_")) and name != "PORT"
    }
    return {**kept, "COLUMNS": "80", "LINES": "40", "TERM": "dumb", **variables}


def fluxlit(
    directory: Path, *argv: str, variables: Mapping[str, str] = {}
) -> subprocess.CompletedProcess[str]:
    """Run ``python -m fluxlit`` in ``directory`` and wait for its end."""
    return subprocess.run(
        [sys.executable, "-m", "fluxlit", *argv],
        cwd=directory,
        env=environment(variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

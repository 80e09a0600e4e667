"""What settings leave to the daemon to find out once, at its start: CPUs, and a secret of its own."""

import os
import secrets
import tomllib
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import cast

from fluxlit.config.settings import Settings

QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""The CPU time of our container in cgroup v2: microseconds in each period, or max."""


def settled(settings: Settings, directory: Path) -> Settings:
    """The settings with ``auto`` replicas counted and a cookie secret that all replicas share.

    The secret is the configured one, else the one that the user gave Streamlit in its own file,
    else a new one: without it each process would sign with its own, and a login made at one replica
    (or before a restart) would be none at the next.
    """
    sidecar = settings.sidecar
    replicas = cpus() if sidecar.replicas is None else sidecar.replicas
    secret = sidecar.cookie_secret or streamlit_secret(directory) or secrets.token_hex(32)
    return replace(settings, sidecar=replace(sidecar, replicas=replicas, cookie_secret=secret))


def cpus(quota: Path = QUOTA) -> int:
    """CPUs that this process may use: its affinity, or less where a container's quota says so."""
    allowed = len(os.sched_getaffinity(0))
    try:
        amount, period = quota.read_text(encoding="ascii").split()
        return max(1, min(allowed, ceil(int(amount) / int(period))))
    except (OSError, ValueError):
        # No cgroup v2, or no limit in it.
        return allowed


def streamlit_secret(directory: Path) -> str:
    """``server.cookieSecret`` of the project's Streamlit configuration, else of the user's; or empty.

    A file that cannot be read counts as none here; Streamlit itself complains of it.
    """
    for folder in (directory, Path(os.environ.get("HOME", "/nonexistent"))):
        try:
            found = tomllib.loads((folder / ".streamlit/config.toml").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        server = found.get("server")
        named = cast("dict[str, object]", server) if isinstance(server, dict) else {}
        secret = named.get("cookieSecret")
        if isinstance(secret, str) and secret:
            return secret
    return ""

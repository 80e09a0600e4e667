"""FastAPI and Streamlit on one public port, under one supervising daemon.

Names are imported on first use: ``fluxlit healthcheck`` and the first process of a container
import this package and must not pay for FastAPI.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fluxlit.app import FluxLit
    from fluxlit.client import ApiClient

__all__ = ["ApiClient", "FluxLit"]

_HOMES = {"ApiClient": "fluxlit.client", "FluxLit": "fluxlit.app"}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - the module protocol (PEP 562)
    home = _HOMES.get(name)
    if home is None:
        message = f"module 'fluxlit' has no attribute {name!r}"
        raise AttributeError(message)
    from importlib import import_module  # noqa: PLC0415

    return getattr(import_module(home), name)

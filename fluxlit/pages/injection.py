"""What a page function is given, decided by the names and types of its parameters.

The plan of a function is made once, when the page is registered, so that a parameter that nobody
can fill is told where it is written. Later kinds of injection add their rule to ``_source``.
"""

import inspect
import sys
import types
import typing
from collections.abc import Callable, Mapping
from enum import Enum

from fluxlit.pages.registry import PageFunction


class Source(Enum):
    """Where the value of a parameter comes from."""

    STREAMLIT = "st"
    CLIENT = "client"


Plan = Mapping[str, Source]
"""Parameter name to the source of its value; parameters left out keep their default."""


def plan(fn: PageFunction, *, page: str) -> Plan:
    """Decide what every parameter of ``fn`` is given; ValueError names the page and what cannot be filled."""
    _refuse_other_kinds(fn, page)
    hints = _hints(fn)
    found: dict[str, Source] = {}
    for parameter in inspect.signature(fn).parameters.values():
        source = _source(parameter, hints.get(parameter.name, parameter.annotation))
        if source is not None:
            found[parameter.name] = source
        elif _is_required(parameter):
            msg = (
                f"page {page!r}: nothing can fill parameter {parameter.name!r} of its function; "
                "a page may take st (Streamlit) and client (ApiClient); give others a default"
            )
            raise ValueError(msg)
    return found


def values(wanted: Plan, offers: Mapping[Source, Callable[[], object]]) -> dict[str, object]:
    """The keyword arguments for one run of a page; only what is wanted is made."""
    return {name: offers[source]() for name, source in wanted.items()}


def _refuse_other_kinds(fn: PageFunction, page: str) -> None:
    if inspect.iscoroutinefunction(fn) or inspect.isasyncgenfunction(fn):
        msg = f"page {page!r}: Streamlit runs pages in threads, so its function is a plain def, not async def"
        raise ValueError(msg)
    if inspect.isgeneratorfunction(fn):
        msg = f"page {page!r}: its function contains yield and would never run; use return"
        raise ValueError(msg)


def _hints(fn: PageFunction) -> Mapping[str, object]:
    # Names under TYPE_CHECKING cannot be resolved here; injection by parameter name still works.
    try:
        return typing.get_type_hints(fn)
    except (NameError, TypeError, AttributeError):
        return {}


def _source(parameter: inspect.Parameter, annotation: object) -> Source | None:
    if parameter.kind in {
        parameter.POSITIONAL_ONLY,
        parameter.VAR_POSITIONAL,
        parameter.VAR_KEYWORD,
    }:
        return None
    if parameter.name in {"st", "client"}:
        return Source(parameter.name)
    return Source.CLIENT if _is_client(annotation) else None


def _is_client(annotation: object) -> bool:
    if typing.get_origin(annotation) in {typing.Union, types.UnionType}:
        return any(_is_client(arm) for arm in typing.get_args(annotation))
    # Whoever names ApiClient has imported its module; importing it here would cost the daemon httpx.
    home = sys.modules.get("fluxlit.client")
    return (
        home is not None and isinstance(annotation, type) and issubclass(annotation, home.ApiClient)
    )


def _is_required(parameter: inspect.Parameter) -> bool:
    variadic = parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}
    return parameter.default is parameter.empty and not variadic

"""How errors are told to whoever started the process: one line each, no traceback."""

from collections.abc import Iterator

from fluxlit.errors import ConfigError, FluxlitError


def describe(error: FluxlitError) -> Iterator[str]:
    """The lines for standard error: every problem of a ConfigError, else one sentence."""
    if isinstance(error, ConfigError) and error.problems:
        yield from (f"fluxlit: {problem}" for problem in error.problems)
    else:
        yield f"fluxlit: {error}"

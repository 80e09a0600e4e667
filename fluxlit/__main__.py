"""``fluxlit`` and ``python -m fluxlit``: what must happen before anything heavy is imported."""

import sys
from collections.abc import Sequence
from typing import NoReturn

_DAEMONS = frozenset({"run", "demo"})
_HELP = frozenset({"-h", "--help"})


def main() -> NoReturn:
    """Run the command of ``sys.argv`` and exit with its status.

    The signals of a daemon are held back from the first moment on, and PID 1 splits into an init
    and the daemon while the process is still small. healthcheck never meets typer.
    """
    argv = sys.argv[1:]
    asks_for_help = not _HELP.isdisjoint(argv)
    if argv[:1] == ["healthcheck"] and not asks_for_help:
        from fluxlit.cli.healthcheck import main as healthcheck  # noqa: PLC0415

        sys.exit(healthcheck(argv[1:]))
    if argv and argv[0] in _DAEMONS and not asks_for_help:
        _prepare_daemon()
    sys.exit(_run_command(argv))


def _prepare_daemon() -> None:
    from fluxlit.supervisor.guardian import begin  # noqa: PLC0415

    begin()


def _run_command(argv: Sequence[str]) -> int:
    from fluxlit.cli.app import main as command  # noqa: PLC0415

    return command(argv)


if __name__ == "__main__":
    main()

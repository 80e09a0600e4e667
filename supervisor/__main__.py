"""`python -m fluxlit.supervisor`: the entry point of a container.

The first statements run before anything heavy is imported: as PID 1 the process splits into an
init and the daemon, and signals are held back until the daemon can act on them.
"""

from typing import NoReturn

from fluxlit.supervisor import guardian


def main() -> NoReturn:
    """Read the arguments and the configuration, run the daemon, exit with its status."""
    guardian.begin()
    from fluxlit.config.arguments import parse_or_exit  # noqa: PLC0415 - after the split
    from fluxlit.supervisor.run import main as run  # noqa: PLC0415

    run(parse_or_exit())


if __name__ == "__main__":
    main()

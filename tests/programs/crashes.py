"""Ends with a traceback on standard error and exit status 3."""

import sys
import traceback


def overheat() -> None:
    """Fails one frame deep, as code does."""
    raise RuntimeError("the reactor is on fire")


try:
    overheat()
except RuntimeError:
    traceback.print_exc()
sys.exit(3)

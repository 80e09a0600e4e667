"""Prints the name of every signal it gets; TERM makes it exit 0."""

import signal
import sys
from types import FrameType

NAMES = ("SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGCONT")


def report(number: int, _frame: FrameType | None) -> None:
    """Say which signal it was."""
    print(signal.Signals(number).name)
    if number == signal.SIGTERM:
        sys.exit(0)


for name in NAMES:
    signal.signal(getattr(signal, name), report)
print("ready")
while True:
    signal.pause()

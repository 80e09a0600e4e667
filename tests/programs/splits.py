"""Splits if it is PID 1, then does as told by TASK NUMBER: exit, die, who, orphans or wait (for a TERM)."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from fluxlit.supervisor.init import hold_signals, split

hold_signals()
split()
task, number = sys.argv[1], int(sys.argv[2])
if task == "exit":
    sys.exit(number)
if task == "die":
    os.kill(os.getpid(), number)
if task == "who":
    print(os.getpid(), os.getppid(), os.getpgrp())
if task == "wait":
    time.sleep(number / 1000)  # Imports take a while; what comes meanwhile must wait.
    print(signal.Signals(signal.sigwait({signal.SIGTERM, signal.SIGUSR1})).name)
if task == "orphans":
    subprocess.run(["/bin/sh", "-c", "(sleep 0.05 &)\n" * number], check=True)
    while sum(path.name.isdigit() for path in Path("/proc").iterdir()) > 2:
        time.sleep(0.02)
    print("clean")

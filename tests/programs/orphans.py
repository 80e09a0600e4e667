"""Leaves a process behind: ``orphans.py WHERE HOW CODE``; prints its pid, then exits with CODE.

WHERE: group (same process group), session (its own session), double (own session, forked twice).
HOW: polite, or deaf to TERM.
"""

import os
import signal
import sys

where, how, code = sys.argv[1:]
readable, writable = os.pipe()
if os.fork() == 0:
    if where != "group":
        os.setsid()
    if where == "double" and os.fork():
        os._exit(0)
    if how == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.write(writable, f"{os.getpid()}\n".encode())
    while True:
        signal.pause()
print(os.read(readable, 16).decode().strip())
sys.exit(int(code))

"""A daemon in one page: spawns its arguments as a service, prints the pid, and waits for ever.

The pid comes once the service has written something itself.
"""

import os
import select
import signal
import sys

from fluxlit.config.service import ServiceSpec
from fluxlit.supervisor.process import spawn

child = spawn(ServiceSpec("test", tuple(sys.argv[1:]), dict(os.environ)), instance="test")
select.select([child.stdout], [], [])
print(child.pid)
while True:
    signal.pause()

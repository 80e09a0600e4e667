"""Listens only after DELAY seconds (default 1), then answers like serves.py."""

import os
import runpy
import time
from pathlib import Path

print("ready")
time.sleep(float(os.environ.get("DELAY", "1")))
runpy.run_path(str(Path(__file__).with_name("serves.py")), run_name="__main__")

"""The script that Streamlit runs: once for every session's start and every rerun, as ``__main__``.

Streamlit puts this file's folder first on ``sys.path``, where its modules would hide a user's own
``command.py`` or ``run.py``. It looks for the folder before each run and only adds it when it is
missing, so the folder is moved to the end and not removed.
"""

import sys
from pathlib import Path

_FOLDER = str(Path(__file__).parent)
if sys.path[-1] != _FOLDER:
    sys.path[:] = [*(each for each in sys.path if each != _FOLDER), _FOLDER]

from fluxlit.sidecar.run import run  # noqa: E402 - only with the path in order

run()

"""Prints its environment as one line of JSON."""

import json
import os

print(json.dumps(dict(os.environ)))

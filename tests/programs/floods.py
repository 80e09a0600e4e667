"""Writes without end to both streams."""

import os

LINE = b"x" * 99 + b"\n"
while True:
    os.write(1, LINE * 100)
    os.write(2, LINE)

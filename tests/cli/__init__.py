"""Tests of fluxlit.cli."""

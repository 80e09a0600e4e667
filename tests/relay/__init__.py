"""Tests of fluxlit.relay."""

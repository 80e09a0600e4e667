"""Tests of fluxlit.protocol."""

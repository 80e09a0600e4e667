"""Tests of fluxlit.log."""

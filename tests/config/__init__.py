"""Tests of fluxlit.config."""

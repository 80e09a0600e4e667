"""Tests of the pure lifecycle tables."""

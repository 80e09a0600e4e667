"""I/O towards services."""

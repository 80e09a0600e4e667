"""The app that `make run` starts."""

"""The ASGI app on the public port; knows no processes."""

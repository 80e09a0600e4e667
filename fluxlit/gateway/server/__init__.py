"""The public listener: our own anyio worker under Hypercorn's HTTP/1.1 and WebSocket protocol classes.

The only place that knows Hypercorn. Each connection is contained: whatever goes wrong in it ends it
alone and leaves one line in the log.
"""

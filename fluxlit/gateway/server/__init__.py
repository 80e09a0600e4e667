"""The public listener: the only place that knows Hypercorn."""

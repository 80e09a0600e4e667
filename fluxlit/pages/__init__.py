"""Pages: their registry, and what is injected into them."""

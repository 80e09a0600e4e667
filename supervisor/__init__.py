"""The supervising daemon; on disk at the top level, imported as fluxlit.supervisor."""

"""Pure lifecycle tables: (state, event) to (state, commands)."""

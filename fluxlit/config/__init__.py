"""Settings as frozen types, where they come from, and how they are shown."""

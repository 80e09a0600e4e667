"""Pure protocol rules: bytes and messages in, events and commands out."""

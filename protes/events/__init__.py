"""What clients are told without asking: the log of changes, and the stream of it (docs/events.md)."""

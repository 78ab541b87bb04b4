"""Log lines that nobody can forge, in text or JSON, with the ids of what they are about (docs/observing.md)."""

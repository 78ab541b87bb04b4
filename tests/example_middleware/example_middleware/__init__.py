"""Three steps for the chain of protes."""

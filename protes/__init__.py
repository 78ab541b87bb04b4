"""protes: a federating GA4GH TES gateway."""

__all__ = ["__version__"]

__version__ = "0.1.0"

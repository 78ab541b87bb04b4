"""Errors of the chain.

Exception
  NotApplicable            a step has nothing to say here: the next alternative is tried
  LawBroken                a step lost, invented or doubled a candidate
  Unavailable              a rewrite cannot make a task fit for its instance now
  ChainError               a step failed and its `on_error` is `fail`
  ValueError
    OptionError            a factory refuses an option
    MiddlewareConfigError  a chain cannot be built as configured
"""

__all__ = ["ChainError", "LawBroken", "MiddlewareConfigError", "NotApplicable", "OptionError", "Unavailable"]


class NotApplicable(Exception):
    """Raised by a middleware that has nothing to say about a task; the text says why and is shown to users."""


class LawBroken(Exception):
    """A middleware broke a law of the chain: it lost, invented or doubled a candidate."""


class Unavailable(Exception):
    """Raised by a rewrite that cannot make a task fit for the chosen instance now; another instance may do.

    The text says what is missing and is shown to users: no URL, no credentials, nothing that others wrote.
    """


class ChainError(Exception):
    """A step failed and may not be skipped. The text names the step and the kind of failure, nothing of its content.

    Attributes:
        step: Name of the step.
    """

    def __init__(self, step: str, failure: Exception) -> None:
        super().__init__(f"middleware step {step} failed: {describe(failure)}")
        self.step = step


class OptionError(ValueError):
    """Raised by a factory that refuses an option.

    Attributes:
        option: Name of the option.
        allowed: What would be right. Never the value that was given: it may be a secret.
    """

    def __init__(self, option: str, allowed: str) -> None:
        super().__init__(f"option {option} must be {allowed}")
        self.option = option
        self.allowed = allowed


class MiddlewareConfigError(ValueError):
    """A chain cannot be built as configured; the text names the step and says what is allowed."""


def describe(failure: Exception) -> str:
    """Say what failed without what others wrote into the message, which may hold secrets."""
    return str(failure) if isinstance(failure, LawBroken | Unavailable) else type(failure).__name__

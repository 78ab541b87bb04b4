"""What a request is told that asks for more than its quota."""


class QuotaExceeded(Exception):
    """Nothing was stored; the text names the quota, its limit, and the way out.

    Attributes:
        quota: its name, as in the settings.
        limit: the limit.
        retry_after_seconds: when it is worth while to ask again; None where waiting alone does not help.
    """

    def __init__(self, quota: str, limit: int, text: str, retry_after_seconds: int | None) -> None:
        """See the class."""
        super().__init__(f"{text} (quota {quota}: {limit})")
        self.quota = quota
        self.limit = limit
        self.retry_after_seconds = retry_after_seconds


class TaskTooLarge(Exception):
    """The task's document is larger than its owner's quota allows; it always will be."""

    def __init__(self, size: int, limit: int) -> None:
        """Refuse a document of so many bytes."""
        super().__init__(
            f"the task's document has {size} bytes, more than yours may have (quota task_bytes: {limit}): put what is "
            "large into an input file, or ask the operator for a larger quota"
        )

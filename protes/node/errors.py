"""Why a task ends otherwise than by its commands."""


class TaskFailed(Exception):
    """The task cannot go on and ends in SYSTEM_ERROR; the text goes into its system logs."""


class Interrupted(Exception):
    """The task was cancelled, or the node stops."""

"""A filter: instances that are about to close take no new tasks."""

from middleware import Candidate, Context, Filter, OptionError, Reason, TaskView


def create(*, closed: object, text: str = "is about to close") -> Filter:
    """Make the filter.

    Args:
        closed: List of ids of instances.
        text: Why, a clause whose subject is the instance.

    Raises:
        OptionError: `closed` is no list of texts.
    """
    if not isinstance(closed, list | tuple) or not all(isinstance(each, str) for each in closed):
        raise OptionError("closed", "a list of ids of instances")
    names = frozenset(closed)
    # It opens again: the task waits where no other instance can run it.
    reason = Reason(code="maintenance", text=text, permanent=False)

    def check(_task: TaskView, candidate: Candidate, _context: Context) -> Reason | None:
        return reason if candidate.id in names else None

    return Filter(check)

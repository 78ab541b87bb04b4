"""A rewrite: backend parameters that a site wants to see, in the forwarded copy alone."""

from collections.abc import Mapping
from dataclasses import replace

from middleware import Candidate, Context, OptionError, Rewrite, TaskView


def create(*, labels: object) -> Rewrite:
    """Make the rewrite.

    Args:
        labels: Map of ids of instances to maps of `backend_parameters`; what the client set itself stands.

    Raises:
        OptionError: It is no such map.
    """
    if not isinstance(labels, Mapping) or not all(isinstance(each, Mapping) for each in labels.values()):
        raise OptionError("labels", "a map of ids to maps of backend_parameters")
    texts = {
        str(name): {str(key): str(value) for key, value in parameters.items()} for name, parameters in labels.items()
    }

    def apply(task: TaskView, candidate: Candidate, _context: Context) -> TaskView:
        wanted = texts.get(candidate.id)
        if not wanted:
            return task
        parameters = {**wanted, **task.resources.backend_parameters}
        return replace(task, resources=replace(task.resources, backend_parameters=parameters))

    return Rewrite(apply)

"""What is configured and learned of an instance, for people: the figures of a task that says nothing of its needs."""

from middleware import TaskView
from protes.federation.known import KnownInstance
from protes.learning.learning import InstanceFigures, Learning

__all__ = ["InstanceFigures", "KnownFigures"]

_ANY_TASK = TaskView(id="", executors=())


class KnownFigures:
    """Tells the figures of instances apart from any task."""

    def __init__(self, learning: Learning) -> None:
        """Ask `learning`."""
        self._learning = learning

    def of(self, instance: KnownInstance) -> InstanceFigures:
        """Return the figures of an instance, learned ones in the place of configured ones."""
        settings = instance.settings
        base_url = instance.base_url
        if base_url is None:
            return InstanceFigures(speed=settings.speed, queue_seconds=settings.queue_seconds)
        return self._learning.figures(
            base_url, settings.speed, settings.queue_seconds, instance.in_flight, instance.queued, _ANY_TASK
        )

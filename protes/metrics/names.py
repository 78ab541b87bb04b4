"""What instances are called in labels: by their ids, and all but a bounded number of them the same."""

import threading
from collections.abc import Callable
from contextlib import suppress

from protes.federation.known import FederationView
from protes.metrics.catalogue import NO_INSTANCE, OTHER
from protes.store.protocols import StoreError


class InstanceNames:
    """The names that are in use. Safe under threads; asks the federation's view, which waits for no instance."""

    def __init__(self, view: Callable[[], FederationView], most: int) -> None:
        """Give at most so many instances a name of their own, those first that are seen first."""
        self._view = view
        self._most = most
        self._named: set[str] = set()
        self._lock = threading.Lock()
        self._last = FederationView()

    def view(self) -> FederationView:
        """Return the federation as it is, or as it was where the store does not answer now."""
        with suppress(StoreError):  # figures are wanted most of all then
            self._last = self._view()
        return self._last

    def at(self, base_url: str) -> str:
        """Return the name of the instance with this base URL."""
        known = self._last.at(base_url) or self.view().at(base_url)
        return OTHER if known is None else self.of(known.id)

    def of(self, instance_id: str) -> str:
        """Return the name of an instance of the federation."""
        if instance_id in self._named:
            return instance_id
        with self._lock:
            if len(self._named) >= self._most:
                return OTHER
            self._named.add(instance_id)
            return instance_id

    def kept(self) -> frozenset[str]:
        """Return all names of instances that have not left; those of the others are free again."""
        ids = {each.id for each in self.view().instances}
        with self._lock:
            self._named &= ids
            return frozenset(self._named | {OTHER, NO_INSTANCE})

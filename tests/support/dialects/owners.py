"""Who may see which tasks of a fake, once it is told to look at tokens (DIALECTS.md 1.8)."""

from __future__ import annotations

from typing import ClassVar

from tests.support.dialects.course import Tasks
from tests.support.dialects.held import HeldTask
from tests.support.scripted_server import Answer, Request, problem


class Owners(Tasks):
    """Keeps each owner's tasks from the others. A family says in which words.

    Attributes:
        INFO_IS_OPEN: service-info is for everybody.
        tokens: owners by the value of the `Authorization` header; empty: nobody is asked who they are.
        caller: the owner whose request is being served, "" for nobody in particular.
    """

    INFO_IS_OPEN: ClassVar[bool] = True

    def __init__(self) -> None:
        """Begin open to everybody."""
        super().__init__()
        self.tokens: dict[str, str] = {}
        self.caller = ""

    def protect(self, **owners: str) -> None:
        """From now on ask for tokens: the `Authorization` of each owner."""
        with self._lock:
            self.tokens = {authorization: owner for owner, authorization in owners.items()}

    def owners_of(self) -> dict[str, str]:
        """The owner of each task, by its id."""
        with self._lock:
            return {task.id: task.owner for task in self.tasks.values()}

    def unauthenticated(self, authorization: str) -> Answer:
        """How it refuses a token that it does not know; "" for none."""
        del authorization
        return problem(401, "a valid token is required")

    def somebody_elses(self, task: HeldTask) -> Answer:
        """How it answers about a task of another owner."""
        del task
        return problem(403, "permission denied")

    def refused(self, request: Request) -> Answer | None:
        """Note whose request it is, and answer it where its task, or anything, is not for them."""
        self.caller = ""
        if not self.tokens:
            return None
        authorization = request.headers.get("Authorization", "")
        if authorization not in self.tokens:
            return self.unauthenticated(authorization)
        self.caller = self.tokens[authorization]
        task = self.tasks.get(request.params.get("id", ""))
        return self.somebody_elses(task) if task is not None and not self.sees(task) else None

    def sees(self, task: HeldTask) -> bool:
        """Whether the caller may see a task."""
        return not self.tokens or task.owner == self.caller

    def _new(self, document: dict[str, object]) -> HeldTask:
        task = super()._new(document)
        task.owner = self.caller
        return task

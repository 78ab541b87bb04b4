"""What an instance has answered, complete and within the cap."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from protes.tes.errors import BadAnswer


@dataclass(frozen=True)
class Answer:
    """A 2xx answer, complete and within the cap.

    Attributes:
        status: HTTP status.
        headers: case-insensitive.
        body: as it came, content coding removed.
        url: where it came from, after redirects.
        instance: base URL of the instance, for errors.
        post: it answers a POST, for errors.
        renewed: it refuses credentials that have been renewed, or can be.
        in_callers_name: it answers a request that showed the token of a task's caller, for errors.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str
    instance: str
    post: bool
    renewed: bool = False
    in_callers_name: bool = False

    def json(self) -> Any:
        """Return the body as JSON, whatever its Content-Type (Funnel sends text/plain).

        Raises:
            BadAnswer: it is none.
        """
        try:
            return json.loads(self.body, parse_constant=lambda _: None)
        except (ValueError, RecursionError):
            kind = "HTML" if self.body.lstrip()[:1] == b"<" else "something"
            text = f"answered {self.status} with {kind} that is not JSON"
            problem = BadAnswer(text, instance=self.instance, ambiguous=self.post)
            problem.in_callers_name = self.in_callers_name
            raise problem from None

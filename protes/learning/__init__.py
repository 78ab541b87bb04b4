"""Statistics of finished tasks: how long they wait and run, and what that says of instances (DESIGN.md section 5)."""

from protes.learning.kinds import bucket_of, signature_of
from protes.learning.learning import InstanceFigures, Learning
from protes.learning.model import Model
from protes.learning.observation import Figure, Observation, Outcome, Wait

__all__ = [
    "Figure",
    "InstanceFigures",
    "Learning",
    "Model",
    "Observation",
    "Outcome",
    "Wait",
    "bucket_of",
    "signature_of",
]

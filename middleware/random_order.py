"""Ranker `random`: any order, the same for the same seed (ESTIMATES.md, "Choosing")."""

from collections.abc import Sequence
from hashlib import blake2b

from middleware.kinds import Score
from middleware.types import Candidate, Context, Offer, TaskView

__all__ = ["create", "shuffle_key"]


def create() -> Score:
    """Make the ranker; it has no options. Offers carry no score."""
    return Score(_rank)


def shuffle_key(seed: str, candidate_id: str) -> tuple[bytes, str]:
    """Return a candidate's place in the shuffle of a seed.

    A hash of both, so that the order is independent of how candidates arrive, and one more or less leaves the order of
    the others as it was.
    """
    return blake2b(f"{seed}\n{candidate_id}".encode(), digest_size=16).digest(), candidate_id


def _rank(_task: TaskView, candidates: Sequence[Candidate], context: Context) -> Sequence[Offer]:
    ids = sorted((each.id for each in candidates), key=lambda each: shuffle_key(context.seed, each))
    return [Offer(candidate_id=each) for each in ids]

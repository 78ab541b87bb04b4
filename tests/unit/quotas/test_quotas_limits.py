"""Which limits hold for whom."""

import pytest
from pydantic import ValidationError

from protes.config.quotas import QuotaSettings
from protes.quotas.limits import Limits, Who, limits_of

SETTINGS = QuotaSettings.model_validate(
    {
        "tasks_in_flight": 10,
        "task_bytes": 1000,
        "overrides": [
            {"subjects": ["ada"], "tasks_in_flight": "unlimited"},
            {"roles": ["pipeline"], "tasks_in_flight": 500, "creations_per_minute": 60},
            {"tenants": ["lab"], "tasks_in_flight": 50, "task_bytes": 2000},
        ],
    }
)


@pytest.mark.parametrize(
    ("who", "limits"),
    [
        (Who(), Limits(tasks_in_flight=10, task_bytes=1000)),
        (Who("bob"), Limits(tasks_in_flight=10, task_bytes=1000)),
        (Who("ada"), Limits(task_bytes=1000)),
        (Who("bob", "lab"), Limits(tasks_in_flight=50, task_bytes=2000)),
        (
            Who("bob", "lab", frozenset({"pipeline"})),
            Limits(tasks_in_flight=500, creations_per_minute=60, task_bytes=2000),
        ),
        (Who("ada", "lab"), Limits(task_bytes=2000)),
    ],
)
def test_the_first_override_that_says_something_decides(who: Who, limits: Limits) -> None:
    assert limits_of(SETTINGS, who) == limits


def test_nothing_is_limited_by_default() -> None:
    assert limits_of(QuotaSettings(), Who("ada")) == Limits()


def test_who_has_no_tenant_is_in_none() -> None:
    settings = QuotaSettings.model_validate({"overrides": [{"tenants": [""], "tasks_stored": 1}]})
    assert limits_of(settings, Who("ada")) == Limits()


@pytest.mark.parametrize(
    "wrong",
    [
        {"tasks_in_flight": -1},
        {"tasks_in_flight": "many"},
        {"overrides": [{"tasks_stored": 1}]},
        {"weights": {"ada": 0}},
        {"weights": {"ada": float("inf")}},
        {"tasks": 1},
    ],
)
def test_what_is_wrong_is_refused(wrong: object) -> None:
    with pytest.raises(ValidationError):
        QuotaSettings.model_validate(wrong)

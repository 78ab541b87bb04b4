"""What a caller prefers, by whichever carrier."""

from typing import Any

import pytest

from protes.api import preference
from protes.api.preference import BACKEND_PARAMETERS, Surroundings, reserved_tag_errors
from protes.api.preference_values import READERS as PREFERENCES
from protes.api.problems import FieldError


def effective(
    document: dict[str, Any], header: str | None, url: str | None, default: str, **more: Any
) -> tuple[dict[str, Any], list[FieldError]]:
    return preference.effective(document, Surroundings(header=header, url_weight=url, default=default, **more))


def task(tags: dict[str, str] | None = None, parameters: dict[str, str] | None = None) -> dict[str, Any]:
    document: dict[str, Any] = {"executors": []}
    if tags is not None:
        document["tags"] = tags
    if parameters is not None:
        document["resources"] = {"backend_parameters": parameters}
    return document


@pytest.mark.parametrize(
    ("tag", "parameter", "header", "url", "weight", "carrier"),
    [
        ("0.1", "0.1", "0.3", "0.4", "0.1", "tag"),
        ("0.1", None, "0.3", "0.4", "0.1", "tag"),
        (None, "0.2", "0.3", "0.4", "0.2", "backend_parameter"),
        (None, None, "0.3", "0.4", "0.3", "header"),
        (None, None, None, "0.4", "0.4", "url"),
        (None, None, None, None, "0.5", "default"),
        (None, None, "random", None, "random", "header"),
    ],
)
def test_the_nearest_carrier_wins(
    tag: str | None, parameter: str | None, header: str | None, url: str | None, weight: str, carrier: str
) -> None:
    document = task(
        {"protes.weight": tag} if tag else None,
        {"protes_weight": parameter} if parameter else None,
    )
    assert effective(document, header, url, "0.5") == ({"weight": weight, "carrier": carrier}, [])


def test_each_preference_is_read_from_a_tag() -> None:
    tags = {"protes.weight": "cost", "protes.runtime_seconds": "3600", "protes.allowed_zones": '["aws:eu-1", "DE"]'}
    assert effective(task(tags), None, None, "0.5") == (
        {"weight": "cost", "carrier": "tag", "runtime_seconds": 3600, "allowed_zones": ["aws:eu-1", "DE"]},
        [],
    )


def test_backend_parameters_are_read_in_any_case() -> None:
    parameters = {"PROTES_Weight": "0.25", "Protes_Runtime_Seconds": "60", "VmSize": "large"}
    preference, errors = effective(task(parameters=parameters), None, None, "0.5")
    assert not errors
    assert preference == {"weight": "0.25", "carrier": "backend_parameter", "runtime_seconds": 60}


def test_carriers_of_different_preferences_add_up() -> None:
    document = task({"protes.runtime_seconds": "60"}, {"protes_allowed_zones": '["DE"]'})
    preference, errors = effective(document, "0.3", "0.9", "0.5")
    assert not errors
    assert preference == {"weight": "0.3", "carrier": "header", "runtime_seconds": 60, "allowed_zones": ["DE"]}


def test_a_tag_and_a_backend_parameter_must_agree() -> None:
    _, errors = effective(task({"protes.weight": "0.1"}, {"Protes_Weight": "0.9"}), None, None, "0.5")
    assert errors == [FieldError("tags.protes.weight", "differs from the backend parameter protes_weight")]


def test_two_spellings_of_a_backend_parameter_must_agree() -> None:
    agreeing = task(parameters={"protes_weight": "0.1", "PROTES_WEIGHT": "0.1"})
    assert effective(agreeing, None, None, "0.5") == ({"weight": "0.1", "carrier": "backend_parameter"}, [])
    _, errors = effective(task(parameters={"protes_weight": "0.1", "PROTES_WEIGHT": "0.9"}), None, None, "0.5")
    assert errors == [FieldError("resources.backend_parameters.protes_weight", "is given twice, with different values")]


@pytest.mark.parametrize(
    ("document", "field"),
    [
        (task({"protes.wieght": "0.1"}), "tags.protes.wieght"),
        (task({"protes.": "0.1"}), "tags.protes."),
        (task({"protes.Weight": "0.1"}), "tags.protes.Weight"),
        (task(parameters={"Protes_Wieght": "1"}), "resources.backend_parameters.protes_wieght"),
    ],
)
def test_a_name_that_does_nothing_is_refused_with_the_known_ones(document: dict[str, Any], field: str) -> None:
    _, [error] = effective(document, None, None, "0.5")
    assert error.field == field
    assert all(name in error.detail for name in PREFERENCES)


@pytest.mark.parametrize("tag", ["weight", "protes", "protesweight", "Protes.weight", "x.protes.weight", "proteus.a"])
def test_other_tags_are_the_clients_own(tag: str) -> None:
    assert effective(task({tag: "9"}), None, None, "0.5") == ({"weight": "0.5", "carrier": "default"}, [])


@pytest.mark.parametrize("text", ["", "1.5", "-1", "0,5", "cheap", " 0.5", "NaN", "1e-1"])
def test_a_bad_weight_is_refused_where_it_stands(text: str) -> None:
    expected = "a weight is 0, 1, 1.0, 0. with 1 to 6 digits, cost, time or random"
    parameters = {"protes_weight": text}
    for document, header, field in (
        (task({"protes.weight": text}), None, "tags.protes.weight"),
        (task(parameters=parameters), None, "resources.backend_parameters.protes_weight"),
        (task(), text, "header X-Protes-Weight"),
    ):
        _, errors = effective(document, header, None, "0.5")
        assert errors == [FieldError(field, expected)]


def test_a_bad_header_is_refused_even_below_a_good_tag() -> None:
    _, errors = effective(task({"protes.weight": "0.1"}), "much", None, "0.5")
    assert [error.field for error in errors] == ["header X-Protes-Weight"]


@pytest.mark.parametrize("text", ["1", "31536000"])
def test_run_times_up_to_a_year_are_taken(text: str) -> None:
    assert PREFERENCES["runtime_seconds"](text) == int(text)


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "01", "1 h", "31536001", "99999999999", "١", "1\n"])
def test_other_run_times_are_refused_with_what_is_right(text: str) -> None:
    _, [error] = effective(task({"protes.runtime_seconds": text}), None, None, "0.5")
    assert error.field == "tags.protes.runtime_seconds"
    assert "from 1 to 31536000" in error.detail


@pytest.mark.parametrize(
    "text",
    [
        "",
        "DE",
        "[]",
        "{}",
        "null",
        '"DE"',
        "[1]",
        '["DE", null]',
        '["a b"]',
        '["aws:eu:1"]',
        '[":eu"]',
        '["DE\\n"]',
        "[" * 100_000,
        "[" + '"DE",' * 64 + '"DE"]',
    ],
)
def test_other_zones_are_refused_with_an_example(text: str) -> None:
    _, [error] = effective(task({"protes.allowed_zones": text}), None, None, "0.5")
    assert error.field == "tags.protes.allowed_zones"
    assert '["aws:eu-central-1", "DE"]' in error.detail
    assert len(error.detail) < 200


def test_everything_wrong_is_said_at_once() -> None:
    tags = {"protes.weight": "9", "protes.runtime_seconds": "soon", "protes.nothing": ""}
    _, errors = effective(task(tags), "8", None, "0.5")
    assert sorted(error.field for error in errors) == [
        "header X-Protes-Weight",
        "tags.protes.nothing",
        "tags.protes.runtime_seconds",
        "tags.protes.weight",
    ]


def test_service_info_names_what_backend_parameters_carry() -> None:
    assert tuple(f"protes_{name}" for name in PREFERENCES) == BACKEND_PARAMETERS
    assert "protes_weight" in BACKEND_PARAMETERS


@pytest.mark.parametrize("tag", ["protes_attempt", "protes_gateway"])
def test_the_tags_of_gateways_are_kept_for_gateways(tag: str) -> None:
    [error] = reserved_tag_errors(task({tag: "x"}), from_gateway=False)
    assert error.field == f"tags.{tag}"
    assert "api.upstream_gateways" in error.detail
    assert reserved_tag_errors(task({tag: "x"}), from_gateway=True) == []


def test_the_value_of_time_and_the_weight_exclude_each_other_within_a_carrier() -> None:
    both = {"protes.weight": "0.1", "protes.value_of_time": "25 EUR/h"}
    _, [error] = effective(task(both), None, None, "0.5")
    assert error == FieldError("tags.protes.value_of_time", "excludes a weight: give one of them")
    _, [error] = effective(
        task(parameters={"protes_weight": "1", "protes_value_of_time": "2 EUR/h"}), None, None, "0.5"
    )
    assert error.field == "resources.backend_parameters.protes_value_of_time"


@pytest.mark.parametrize(
    ("document", "header", "chosen"),
    [
        (task({"protes.value_of_time": "25 EUR/h"}), "0.1", {"value_of_time": "25 EUR/h", "carrier": "tag"}),
        (
            task({"protes.weight": "0.1"}, {"protes_value_of_time": "25 EUR/h"}),
            None,
            {"weight": "0.1", "carrier": "tag"},
        ),
        (
            task({"protes.value_of_time": "25 EUR/h"}, {"protes_weight": "0.1"}),
            None,
            {"value_of_time": "25 EUR/h", "carrier": "tag"},
        ),
    ],
)
def test_the_higher_carrier_wins_whole(document: dict[str, Any], header: str | None, chosen: dict[str, Any]) -> None:
    found, errors = effective(document, header, "0.9", "0.5")
    assert not errors
    assert found == {"weight": "0.5", **chosen}


@pytest.mark.parametrize(
    ("tags", "url", "profile", "weight", "carrier"),
    [
        ({}, None, None, "0.5", "default"),
        ({}, None, "cheap", "0.1", "profile"),
        ({}, "0.9", "cheap", "0.9", "url"),
        ({"protes.profile": "cheap"}, None, None, "0.1", "profile"),
        ({"protes.profile": "plain"}, None, "cheap", "0.5", "default"),
        ({"protes.weight": "1"}, None, "cheap", "1", "tag"),
    ],
)
def test_a_profile_brings_its_weight_below_all_that_the_caller_says(
    tags: dict[str, str], url: str | None, profile: str | None, weight: str, carrier: str
) -> None:
    profiles = {"cheap": "0.1", "plain": None}
    found, errors = effective(task(tags), None, url, "0.5", url_profile=profile, profiles=profiles)
    assert not errors
    assert (found["weight"], found["carrier"]) == (weight, carrier)
    assert found.get("profile") == tags.get("protes.profile", profile)


def test_an_unknown_profile_is_refused_with_the_known_ones() -> None:
    _, [error] = effective(task({"protes.profile": "dear"}), None, None, "0.5", profiles={"cheap": None, "fast": None})
    assert error == FieldError("tags.protes.profile", "there is no such profile; known are cheap, fast")


def test_an_offer_and_a_choice_of_instances_exclude_each_other() -> None:
    tags = {"protes.offer": "abc", "protes.instances": '{"type": "allow", "instances": ["a"]}'}
    _, [error] = effective(task(tags), None, None, "0.5")
    assert error.field == "tags.protes.offer"


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("value_of_time", "25 EUR/h", "25 EUR/h"),
        ("value_of_time", "0.000001 USD/h", "0.000001 USD/h"),
        ("max_cost", "12.50 EUR", "12.50 EUR"),
        ("deadline_seconds", "3600", 3600),
        ("affinity", "run-1.a_b", "run-1.a_b"),
        ("retries", "0", 0),
        ("retries", "12", 12),
        ("profile", "cheap", "cheap"),
        ("offer", "Ab-1_", "Ab-1_"),
        (
            "instances",
            '{"type": "order", "instances": ["a", "https://b"]}',
            {"type": "order", "instances": ["a", "https://b"]},
        ),
    ],
)
def test_each_value_is_read(name: str, text: str, value: Any) -> None:
    assert PREFERENCES[name](text) == value


@pytest.mark.parametrize(
    ("text", "most", "refused"),
    [
        ("0", 0, None),
        ("3", 3, None),
        ("4", 3, "must be 3 at most here"),
        ("1", 0, "must be 0 at most here"),
        ("-1", 3, "must be a whole number, 0 or more"),
        ("01", 3, "must be a whole number, 0 or more"),
        ("1.0", 3, "must be a whole number, 0 or more"),
        ("99999", 3, "must be a whole number, 0 or more"),
    ],
)
def test_the_operator_limits_retries(text: str, most: int, refused: str | None) -> None:
    for document, field in (
        (task({"protes.retries": text}), "tags.protes.retries"),
        (task(None, {"Protes_Retries": text}), "resources.backend_parameters.protes_retries"),
    ):
        found, errors = effective(document, None, None, "0.5", max_retries=most)
        assert errors == ([] if refused is None else [FieldError(field, refused)])
        assert refused is not None or found["retries"] == int(text)


@pytest.mark.parametrize("name", sorted(PREFERENCES))
@pytest.mark.parametrize(
    "text",
    [
        "",
        "NaN",
        "25",
        "EUR",
        "25 eur/h",
        "-1 EUR",
        "1e3 EUR/h",
        "1 EUR/d",
        "{}",
        '{"type": "allow"}',
        '{"type": "allow", "instances": []}',
        '{"type": "any", "instances": ["a"]}',
        '{"type": "allow", "instances": [1]}',
        '{"type": "allow", "instances": ["a"], "x": 1}',
        '["' + "a" * 1_000_000 + '"]',
        "[" * 100_000,
        "x" * 1_000_000,
        "a b",
        "ü",
        "\ud800",
    ],
)
def test_bad_values_are_refused_with_what_is_right_and_never_repeated(name: str, text: str) -> None:
    _, errors = effective(task({f"protes.{name}": text}), None, None, "0.5", profiles={"x": None})
    known_good = {("deadline_seconds", "25"), ("runtime_seconds", "25")}
    words = ("25", "EUR", "NaN")
    if (name, text) in known_good or (name in ("affinity", "offer", "profile") and text in words):
        return
    if name == "group" and text != "\ud800" and len(text) <= 1024:
        return  # an identity provider names groups as it likes
    assert [error.field for error in errors] == [f"tags.protes.{name}"]
    assert len(errors[0].detail) < 300

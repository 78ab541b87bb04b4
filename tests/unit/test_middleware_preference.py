"""The grammar of the weight."""

import pytest

from middleware.preference import WEIGHT_ONE, Preference, parse_weight


@pytest.mark.parametrize(
    ("text", "millionths", "shown"),
    [
        ("0", 0, "0"),
        ("1", WEIGHT_ONE, "1"),
        ("1.0", WEIGHT_ONE, "1"),
        ("0.3", 300_000, "0.3"),
        ("0.0", 0, "0"),
        ("0.500", 500_000, "0.5"),
        ("0.000001", 1, "0.000001"),
        ("0.999999", 999_999, "0.999999"),
        ("cost", 0, "0"),
        ("time", WEIGHT_ONE, "1"),
        ("random", None, "random"),
    ],
)
def test_a_weight_is_read_in_millionths(text: str, millionths: int | None, shown: str) -> None:
    weight = parse_weight(text)
    assert weight.millionths == millionths
    assert weight.mode == ("random" if millionths is None else "weight")
    assert str(weight) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        " 0.5",
        "0.5 ",
        "0.5\n",
        "1.5",
        "-0",
        "+1",
        "00",
        "1.00",
        "1.",
        "0.",
        ".5",
        "0,5",
        "0.1234567",
        "1e-1",
        "nan",
        "inf",
        "cheap",
        "COST",
        "Random",
        "٠.٥",
        "0.٥",
        "0.5" * 100_000,
        "two",
    ],
)
def test_anything_else_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match=r"0, 1, 1\.0, 0\. with 1 to 6 digits, cost, time or random") as caught:
        parse_weight(text)
    assert len(str(caught.value)) < 100  # the text itself is not repeated


@pytest.mark.parametrize("millionths", [-1, WEIGHT_ONE + 1])
def test_a_preference_holds_no_weight_out_of_range(millionths: int) -> None:
    with pytest.raises(ValueError, match="weight_millionths"):
        Preference(weight_millionths=millionths)

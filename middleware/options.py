"""Reading the options of a step: numbers or text, as YAML gives them. No error repeats a value."""

from decimal import Decimal, InvalidOperation

from middleware.errors import OptionError

__all__ = ["decimal_option", "integer_option"]


def decimal_option(name: str, value: object, low: str, high: str) -> Decimal:
    """Read a decimal number exactly as it is written.

    Raises:
        OptionError: It is not a number from `low` to `high`.
    """
    allowed = f"a number from {low} to {high}"
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise OptionError(name, allowed)
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise OptionError(name, allowed) from None
    if not number.is_finite() or not Decimal(low) <= number <= Decimal(high):
        raise OptionError(name, allowed)
    return number


def integer_option(name: str, value: object, low: int, high: int) -> int:
    """Read a whole number.

    Raises:
        OptionError: It is not a whole number from `low` to `high`.
    """
    allowed = f"a whole number from {low} to {high}"
    try:
        number = decimal_option(name, value, str(low), str(high))
    except OptionError:
        raise OptionError(name, allowed) from None
    if number != number.to_integral_value():
        raise OptionError(name, allowed)
    return int(number)

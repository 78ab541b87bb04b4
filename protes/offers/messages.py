"""Messages to clients of the Execution Broker: a template, its values, and the text of both (MessageItem)."""

from typing import Any, Literal

Level = Literal["INFO", "WARN", "ERROR"]

INDICATIVE = "urn:offer-indicative"
LIMIT = "urn:resource-limit"
NOT_AVAILABLE = "urn:not-available"
NOT_SUPPORTED = "urn:not-supported"
MISSING = "urn:missing-required-value"

Message = dict[str, Any]


def message(level: Level, kind: str, template: str, **values: str) -> Message:
    """Make a message; `{name}` in the template stands for the value of that name."""
    text = template
    for name, value in values.items():
        text = text.replace("{" + name + "}", value)
    return {"level": level, "kind": kind, "template": template, "values": values, "message": text}


def indicative() -> Message:
    """Say what an offer of this broker is worth."""
    return message("INFO", INDICATIVE, "TES instances cannot reserve resources; offers are estimates")


def unsupported(field: str, why: str) -> Message:
    """Say NO because of a field that is right and cannot be served."""
    return message("ERROR", NOT_SUPPORTED, "{field}: {reason}", field=field, reason=why)

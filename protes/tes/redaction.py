"""Takes secrets out of text that came from elsewhere before it reaches a log, an error or a task."""

import re

_USERINFO = re.compile(r"(?<=://)[^/\s@\"']+@")
_PARAMETER = re.compile(
    r"(?i)\b([\w.-]*(?:sig|signature|secret|password|passwd|token|credential|api[_-]?key)[\"']?\s*[=:]\s*[\"']?)"
    r"(?!\s)[^&\s,;\"']+"
)
_SCHEME = re.compile(r"(?i)\b(basic|bearer)\s+[A-Za-z0-9+/._~=-]{6,}")


def redact(text: str, *secrets: str) -> str:
    """Mask credentials: those given, `user:password@` and signatures in URLs, and Authorization values.

    Args:
        text: any text.
        secrets: values that must not occur in the result; empty ones are ignored.
    """
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    text = _USERINFO.sub("***@", text)
    text = _SCHEME.sub(r"\1 ***", text)
    return _PARAMETER.sub(r"\1***", text)

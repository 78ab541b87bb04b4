"""Takes secrets out of text that came from elsewhere before it reaches a log, an error or a task.

For messages of servers alone: what a task wrote itself (stdout, stderr) is never changed. URLs may be in it as they
are, percent-encoded (once or more often) or in JSON, itself perhaps within a string. Rather too much is masked than too
little, but in a URL only what is secret: host, path and the times of a signature help whoever reads the message. And a
sentence about a secret is none: `credentials: the variable X is not set` stays as it is.
"""

import re

_ENCODED = r"%(?:25)*"
_QUOTE = r"\\*[\"']?"
_NAMES = (
    r"(?=[abcmpst])(?:sig(?:nature)?|secret|password|passwd|passphrase|pwd|token|credentials?|client[_-]?assertion"
    r"|(?:api|access|account|shared|secret|storage|batch|private|master|subscription)[_-]?key)"
)
"""The letters ahead are those that a name begins with: most places are passed without a look at each name."""
_VALUE = r"(?:\\+\"(?:[^\"\\]|\\(?!\"))*|\"(?:[^\"\\]|\\.)*|'[^']*|(?!\s)[^&\s,;\"']+)"

_USERINFO = re.compile(r"(?<=://)[^/?#\s\"']+@")
_ENCODED_USERINFO = re.compile(
    rf"(?i)({_ENCODED}3A{_ENCODED}2F{_ENCODED}2F)(?:(?!{_ENCODED}(?:2F|3F|23))[^/?#&\s\"'])+({_ENCODED}40)"
)
_SENTENCE = r"(?:must|should|is|was|has|needs|cannot)\s+[a-z]"
_HEADER = re.compile(
    rf"(?i)\b(authorization|(?:set-)?cookie)({_QUOTE}\s*[=:]\s*{_QUOTE})(?!\s|{_SENTENCE})[^\r\n\"'\\]+"
)
_OF_SCHEMES = r"(?:authentication|authorization|credentials?|tokens?|challenge|scheme)\.?(?![^\s,;:)\"'])"
"""What stands behind the name of a scheme in a sentence; nobody's credential is one of these words."""
_SCHEME = re.compile(rf"(?i)\b(basic|bearer)(?:\s+|\+|{_ENCODED}20)(?!{_OF_SCHEMES})[A-Za-z0-9+/._~=%-]{{6,}}")
_PARAMETER = re.compile(rf"(?i)({_NAMES}{_QUOTE}\s*[=:]\s*){_VALUE}")
_ENCODED_PARAMETER = re.compile(rf"(?i)({_NAMES}{_ENCODED}3D)(?:(?!{_ENCODED}26)[^&\s,;\"'])+")
_SAID = re.compile(r"[A-Za-z]: +\Z")
"""How a message goes on behind a name, where what follows may be a sentence and no value."""
_OPENERS = re.compile(
    "a|an|are|both|can|cannot|expected|extra|field|give|has|have|input|invalid|is|it|its|may|must|needs|neither|no|not|"
    "say|send|should|string|that|the|there|these|this|try|use|value|was|were"
)
"""Words that a sentence begins with; one of them is no secret where further words follow."""
_VERDICTS = re.compile("denied|expired|forbidden|invalid|missing|none|null|required|revoked|unauthorized|unknown")
"""Words that say all that is said of a credential."""
_FURTHER = re.compile(r" +[A-Za-z]")
_REFERENCE = re.compile(r"azure-key-vault:[A-Za-z0-9.-]+(?::[0-9]{1,5})?/[A-Za-z0-9/-]+:?")


def redact(text: str, *secrets: str) -> str:
    """Mask credentials: those given, `user:password@` and signatures in URLs, and Authorization values.

    Args:
        text: any text.
        secrets: values that must not occur in the result; empty ones are ignored.
    """
    text = _USERINFO.sub("***@", without(text, *secrets))
    text = _ENCODED_USERINFO.sub(r"\1***\2", text)
    text = _HEADER.sub(r"\1\2***", text)
    text = _SCHEME.sub(r"\1 ***", text)
    text = _PARAMETER.sub(_masked, text)
    return _ENCODED_PARAMETER.sub(r"\1***", text)


def without(text: str, *secrets: str) -> str:
    """Mask these values and nothing else; empty ones are ignored."""
    # The longest first: one may be the beginning of another.
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def _masked(match: re.Match[str]) -> str:
    """Keep the quote before a value; the one after it is no part of the match. Keep a sentence as it is."""
    name = match[1]
    value = match[0][len(name) :]
    if _SAID.search(name) and _is_sentence(value, match):
        return match[0]
    opening = re.match(r"\\*[\"']", value)
    return name + (opening[0] if opening else "") + "***"


def _is_sentence(value: str, match: re.Match[str]) -> bool:
    """Tell whether what stands where a value would is a message about the secret that is named before it."""
    word = value.rstrip(".:)!").lower()
    if _VERDICTS.fullmatch(word) or _REFERENCE.fullmatch(value):
        return True
    return _OPENERS.fullmatch(word) is not None and _FURTHER.match(match.string, match.end()) is not None

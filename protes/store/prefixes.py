"""Literal prefixes as ranges: no wildcard, no regular expression, and an index can be used."""

_LAST = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)


def after_prefix(prefix: str) -> str | None:
    """Return the smallest text above all texts that start with `prefix`, or None where there is none.

    So `prefix <= text < after_prefix(prefix)` selects them, compared by code point, which is also the order of their
    UTF-8 bytes.
    """
    while prefix:
        code = ord(prefix[-1])
        if code < _LAST:
            code += 1
            # Surrogates are no characters and have no UTF-8.
            return prefix[:-1] + chr(_SURROGATES.stop if code in _SURROGATES else code)
        prefix = prefix[:-1]
    return None

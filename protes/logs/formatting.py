"""Formatters: what a log record looks like, as text or as JSON. Neither shows secrets, nor lets itself be forged."""

import copy
import json
import logging
from datetime import UTC, datetime
from typing import Any

from protes.clock import rfc3339
from protes.logs import context
from protes.logs.escaping import escaped, escaped_lines
from protes.tes.redaction import redact

FIELDS = "protes_fields"
"""Name of what a record may have in `extra`: a mapping of further fields of the JSON object."""


class TextFormatter(logging.Formatter):
    """Another formatter's layout, with what could forge a line escaped."""

    def __init__(self, layout: logging.Formatter) -> None:
        """Write lines as `layout` does."""
        super().__init__()
        self._layout = layout

    def format(self, record: logging.LogRecord) -> str:
        """Write one record: one line, and the lines of a traceback, which are indented."""
        plain = copy.copy(record)
        plain.msg, plain.args = escaped(redact(record.getMessage())), None
        plain.exc_info = plain.exc_text = plain.stack_info = None
        text = self._layout.format(plain)
        more = _traceback(record)
        return text if not more else f"{text}\n" + "\n".join(f"  {line}" for line in more.split("\n"))


class JsonFormatter(logging.Formatter):
    """An object per record, in one line."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one record."""
        document: dict[str, Any] = {
            "time": rfc3339(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname,
            "logger": record.name,
            "message": escaped(redact(record.getMessage())),
        }
        ids = context.now()._asdict().items()
        document |= {name: escaped(value) for name, value in ids if value is not None}
        further = getattr(record, FIELDS, None)
        if further:
            document |= {name: escaped(value) if isinstance(value, str) else value for name, value in further.items()}
        more = _traceback(record)
        if more:
            document["traceback"] = more
        return json.dumps(document)


def _traceback(record: logging.LogRecord) -> str:
    """Return the record's traceback and stack, with what could forge a line escaped; "" where it has none."""
    formatter = logging.Formatter()
    parts = [formatter.formatException(record.exc_info)] if record.exc_info else []
    parts += [formatter.formatStack(record.stack_info)] if record.stack_info else []
    return escaped_lines(redact("\n".join(parts))) if parts else ""

"""Put our formatters in the place of those that the configuration made."""

import logging
from typing import Literal

from protes.logs.formatting import JsonFormatter, TextFormatter

_OTHERS = ("gunicorn.error",)
"""Loggers with handlers of their own, which the configuration does not know."""


def apply(form: Literal["text", "json"]) -> None:
    """Have all handlers of the root logger, and the web server's, write in this form.

    Levels and handlers stay as the configuration made them, and so does the layout of text.
    """
    for logger in (logging.getLogger(), *map(logging.getLogger, _OTHERS)):
        for handler in logger.handlers:
            handler.setFormatter(_formatter(form, handler.formatter))


def _formatter(form: Literal["text", "json"], before: logging.Formatter | None) -> logging.Formatter:
    if form == "json":
        return JsonFormatter()
    if isinstance(before, TextFormatter):
        return before
    return TextFormatter(before or logging.Formatter())

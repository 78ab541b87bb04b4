"""FOCA's section `log` says what is logged and where to; `logging` says how it looks."""

import json
import logging
from pathlib import Path

from protes.app import create_gateway
from protes.config.loading import load
from protes.logs.formatting import TextFormatter
from protes.store.factory import create_stores
from tests.support.running import logging_kept

SECTION = """
log:
  version: 1
  disable_existing_loggers: false
  formatters:
    standard: {class: logging.Formatter, style: "{", format: "OURS {message}"}
  handlers:
    console: {class: logging.StreamHandler, level: 20, formatter: standard, stream: ext://sys.stderr}
  root: {level: 40, handlers: [console]}
"""


def test_the_operators_section_holds_in_a_gateway_and_the_form_is_put_over_it(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(SECTION, encoding="utf-8")
    record = logging.LogRecord("protes.test", logging.ERROR, "file", 1, "a\nb", (), None)
    for form in ("text", "json"):
        with logging_kept():
            create_gateway(
                load([file], {}, {"logging": {"format": form}}), stores=create_stores("memory:"), environ={}
            ).close()
            [handler] = logging.getLogger().handlers
            assert (logging.getLogger().level, handler.level) == (40, 20)
            line = handler.format(record)
            if form == "text":
                assert isinstance(handler.formatter, TextFormatter)
                assert line == "OURS a\\nb"
            else:
                assert json.loads(line)["message"] == "a\\nb"

"""Write `docs/command-line.md` from the parser: `python -m protes.cli.document > docs/command-line.md`."""

import argparse
import sys
from collections.abc import Iterator

from protes.cli.parser import EXITS, build_parser
from protes.cli.parsing import Parser

_HEAD = """# Command line

Every command has `--help`, with examples. This page is made from the same source:
`python -m protes.cli.document > docs/command-line.md`.

## What holds for all commands

**Where the gateway is.** Commands that talk to a gateway ask `--url`, else the environment variable `PROTES_URL`, else
`http://127.0.0.1:8080`.

**For people, for programs.** Tables are for people and may change. With `--json` standard output holds one JSON
document and nothing else; its members stay, new ones may be added. Progress, notes and errors go to standard error.

| command | document of `--json` |
|---|---|
| `list` | a list of tasks as in TES, view BASIC |
| `show`, `submit --wait` of one file | the task as in TES, view FULL; `show --routing`: `{"task", "routing"}` |
| `submit` | `{"id"}`; of several files `{"results": [{"id"} or {"problem"}]}`, with `--wait` a list of tasks |
| `logs` | `{"id", "state", "logs": [{"executors": [{"exit_code", "stdout", "stderr"}], "system_logs"}]}` |
| `cancel` | `{"results": [{"id"} or {"id", "problem"}]}` |
| `delete` | `{"results": [{"id"} or {"id", "problem"}]}`, each problem a sentence |
| `instances` | the answer of `GET /protes/v1/instances` |
| `offers` | the answer of `POST /protes/v1/offers` |
| `check-config` | all settings without secrets (always JSON) |
| `doctor` | `{"version", "counts", "findings": [{"result", "check", "subject", "text", "todo"}]}` |

**Colours** are used on a terminal only, not where `NO_COLOR` is set or `TERM` is `dumb`. `--color always` and
`--color never` overrule that.

**Watching.** `--watch` shows anew what has changed, every `--interval` seconds: on a terminal in place, elsewhere one
after the other; with `--json` one document a line. `show --watch` ends with the task.

**Waiting.** `submit --wait` shows a line that moves on a terminal, and a line for each change of state elsewhere. A
gateway that does not answer is asked again for a minute. Where waiting ends early, by Ctrl-C too, the ids of the tasks
that go on are told.

**Typing errors.** A command, option or state that does not exist is answered with the one that comes closest.

## Exit codes

| code | meaning |
|---|---|
"""

_MIDDLE = """
`submit` without `--wait` ends with 0 when the task is accepted. `doctor` ends with 1 where a check fails; warnings do
not count. A pipe that is closed early is no error.

## Completion

```bash
source <(protes completion bash)
```

completes commands, options and their choices, in this shell; the line belongs into `~/.bashrc`. The help of the command
has those of zsh and fish; it is tested in all three.
"""


def render() -> str:
    """Return the page."""
    parser = build_parser({})
    exits = "".join(f"| {code} | {meaning} |\n" for code, meaning in EXITS)
    return _HEAD + exits + _MIDDLE + "\n## Commands\n" + "".join(_commands(parser))


def _commands(parser: Parser) -> Iterator[str]:
    for name, each in parser.subcommands().items():
        if each.subcommands():
            yield from _commands(each)
        else:
            yield _section(each, parser.summary_of(name))


def _section(parser: Parser, summary: str) -> str:
    parts = [f"\n### `{parser.prog}`\n\n{summary[:1].upper()}{summary[1:]}.\n"]
    rows = [_row(action) for action in parser.arguments() if action.dest not in ("help", "color")]
    if rows:
        parts.append("\n| argument | meaning |\n|---|---|\n" + "".join(rows))
    if parser.examples:
        lines = "".join(f"| `{line}` | {what} |\n" for line, what in parser.examples)
        parts.append("\n| example | what it does |\n|---|---|\n" + lines)
    return "".join(parts)


def _row(action: argparse.Action) -> str:
    # What a machine has (its cores) is in no page.
    text = (action.help or "").replace("%(default)s", str(action.default))
    return f"| `{_named(action)}` | {text.replace('|', chr(92) + '|')} |\n"


def _named(action: argparse.Action) -> str:
    choices = "/".join(str(each) for each in action.choices or ())
    value = str(action.metavar or choices or action.dest.upper().replace("_", "-"))
    if not action.option_strings:
        more = {"*": " ...", "+": " ..."}.get(str(action.nargs), "")
        return value + more
    return action.option_strings[-1] + ("" if action.nargs == 0 else f" {value}")


if __name__ == "__main__":
    sys.stdout.write(render())

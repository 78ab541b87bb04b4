"""The command `protes completion`: scripts that complete commands and options in a shell, made from the parser."""

import argparse
import shlex
from collections.abc import Iterator, Sequence

from protes.cli.output import Exit
from protes.cli.parsing import Parser

SHELLS = ("bash", "zsh", "fish")
_FILE_NAMES = ("FILE", "DIR", "TASK.json")


def completion(args: argparse.Namespace) -> int:
    """Print the script for one shell."""
    from protes.cli.parser import build_parser

    print(script(args.shell, build_parser({})), end="")
    return Exit.OK


def script(shell: str, parser: Parser) -> str:
    """Return the script for a shell, one of `SHELLS`."""
    makers = {"bash": _bash, "zsh": _zsh, "fish": _fish}
    return makers[shell](parser)


def _tree(parser: Parser, path: Sequence[str] = ()) -> Iterator[tuple[tuple[str, ...], Parser]]:
    yield tuple(path), parser
    for name, each in parser.subcommands().items():
        yield from _tree(each, (*path, name))


def _words(parser: Parser) -> list[str]:
    """What may follow a command: commands below it, choices of its arguments, its options."""
    choices = [str(each) for action in parser.arguments() if not action.option_strings for each in action.choices or ()]
    return [*parser.subcommands(), *choices, *parser.options()]


def _values(parser: Parser) -> Iterator[tuple[str, argparse.Action]]:
    """Options that take a value, each with what says which."""
    for action in parser.arguments():
        if action.nargs != 0:
            yield from ((option, action) for option in action.option_strings)


def _takes_file(action: argparse.Action) -> bool:
    return action.metavar in _FILE_NAMES


_BASH = """# Completion of protes for bash: put into ~/.bashrc the line
#   source <(protes completion bash)
_protes() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}" path="" each
    for each in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case "$path $each" in
            {paths}) path="$path $each" ;;
        esac
    done
    case "$path $before" in
{values}
    esac
    case "$path" in
{words}
    esac
}}
complete -o default -F _protes protes
"""


def _bash(parser: Parser) -> str:
    paths, words, values = [], [], []
    for path, each in _tree(parser):
        name = "".join(f" {part}" for part in path)
        if path:
            paths.append(shlex.quote(name))
        words.append(f'        {shlex.quote(name)}) COMPREPLY=($(compgen -W {_quoted(_words(each))} -- "$word")) ;;')
        for option, action in _values(each):
            found = "COMPREPLY=()"
            if action.choices:
                found = f'COMPREPLY=($(compgen -W {_quoted([str(one) for one in action.choices])} -- "$word"))'
            values.append(f"        {shlex.quote(f'{name} {option}')}) {found}; return ;;")
    return _BASH.format(paths="|".join(paths), words="\n".join(words), values="\n".join(values))


def _zsh(parser: Parser) -> str:
    """As bash has it: zsh reads those with bashcompinit."""
    head = (
        "#compdef protes\n# Completion of protes for zsh: put into ~/.zshrc the line\n"
        "#   source <(protes completion zsh)\n"
        "autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n"
    )
    return head + _bash(parser).split("\n", 2)[2]


def _fish(parser: Parser) -> str:
    lines = [
        "# Completion of protes for fish: put into ~/.config/fish/config.fish the line",
        "#   protes completion fish | source",
        "complete -c protes -f",
    ]
    for path, each in _tree(parser):
        below = each.subcommands()
        seen = " ".join(path[-1:])
        names = " ".join(below)
        inside = f"__fish_seen_subcommand_from {seen}" if path else "__fish_use_subcommand"
        for name in below:
            where = f"{inside}; and not __fish_seen_subcommand_from {names}" if path else inside
            lines.append(f"complete -c protes -n {shlex.quote(where)} -a {name} -d {_described(each.summary_of(name))}")
        if not below:
            lines += _fish_options(each, inside)
    return "\n".join(lines) + "\n"


def _fish_options(parser: Parser, inside: str) -> Iterator[str]:
    for action in parser.arguments():
        base = f"complete -c protes -n {shlex.quote(inside)}"
        if not action.option_strings:
            if action.choices:
                yield f"{base} -a {_quoted([str(each) for each in action.choices])}"
            elif _takes_file(action):
                yield f"{base} -F"
            continue
        names = " ".join(f"-l {each[2:]}" for each in action.option_strings if each.startswith("--"))
        value = ""
        if action.nargs != 0:
            value = " -r -F" if _takes_file(action) else " -x"
            if action.choices:
                value += f" -a {_quoted([str(each) for each in action.choices])}"
        yield f"{base} {names}{value} -d {_described(action.help or '')}"


def _described(text: str) -> str:
    return shlex.quote(text.replace("%(default)s", "").partition(":")[0].partition("(")[0].strip())


def _quoted(words: Sequence[str]) -> str:
    return shlex.quote(" ".join(words))

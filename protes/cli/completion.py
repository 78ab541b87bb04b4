"""The command `protes completion`: scripts that complete commands and options in a shell, made from the parser."""

import argparse
import re
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


_ZSH = """#compdef protes
# Completion of protes for zsh: put into ~/.zshrc the line
#   source <(protes completion zsh)
(( $+functions[compdef] )) || {{ autoload -Uz compinit && compinit -i }}
_protes() {{
    local at="" each
    local -a commands options
    for each in "${{(@)words[2,CURRENT-1]}}"; do
        case "$at $each" in
            ({paths}) at="$at $each" ;;
        esac
    done
    case "$at ${{words[CURRENT-1]}}" in
{values}
    esac
    case "$at" in
{words}
    esac
    _describe -o option options
}}
if [[ "${{funcstack[1]}}" == _protes ]]; then _protes "$@"; else compdef _protes protes; fi
"""


def _zsh(parser: Parser) -> str:
    paths, words, values = [], [], []
    for path, each in _tree(parser):
        name = "".join(f" {part}" for part in path)
        if path:
            paths.append(shlex.quote(name))
        options = " ".join(
            shlex.quote(f"{option}:{_told(action)}")
            for action in each.arguments()
            for option in action.option_strings
            if option.startswith("--")
        )
        then = f"options=({options}); {_zsh_arguments(each)}"
        words.append(f"        ({shlex.quote(name)}) {then.rstrip('; ')} ;;")
        for option, action in _values(each):
            values.append(f"        ({shlex.quote(f'{name} {option}')}) {_zsh_value(action)}; return ;;")
    return _ZSH.format(paths="|".join(paths), words="\n".join(words), values="\n".join(values))


def _zsh_arguments(parser: Parser) -> str:
    """What completes a word that is no option, nothing where that cannot be known."""
    below = [shlex.quote(f"{name}:{_short(parser.summary_of(name))}") for name in parser.subcommands()]
    if below:
        return f"commands=({' '.join(below)}); _describe command commands"
    places = [action for action in parser.arguments() if not action.option_strings]
    found = [_zsh_value(action) for action in places if action.choices or _takes_file(action)]
    return "; ".join(found)


def _zsh_value(action: argparse.Action) -> str:
    if action.choices:
        return f"compadd -- {' '.join(shlex.quote(str(each)) for each in action.choices)}"
    if _takes_file(action):
        return "_files -/" if action.metavar == "DIR" else "_files"
    return f"_message {shlex.quote(_told(action))}"


_FISH = """# Completion of protes for fish: put into ~/.config/fish/config.fish the line
#   protes completion fish | source
function __protes_at
    set -l words (commandline -opc)
    set -e words[1]
    set -l at ''
    for each in $words
        if contains -- "$at $each" {paths}
            set at "$at $each"
        end
    end
    test "$at" = "$argv[1]"
end
complete -c protes -f
"""


def _fish(parser: Parser) -> str:
    paths, lines = [], []
    for path, each in _tree(parser):
        name = "".join(f" {part}" for part in path)
        if path:
            paths.append(shlex.quote(name))
        where = f'__protes_at "{name}"'
        base = f"complete -c protes -n {shlex.quote(where)}"
        lines += [f"{base} -a {below} -d {shlex.quote(_short(each.summary_of(below)))}" for below in each.subcommands()]
        lines += _fish_options(each, base)
    return _FISH.format(paths=" ".join(paths)) + "\n".join(lines) + "\n"


def _fish_options(parser: Parser, base: str) -> Iterator[str]:
    for action in parser.arguments():
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
        yield f"{base} {names}{value} -d {shlex.quote(_told(action))}"


def _told(action: argparse.Action) -> str:
    return _short((action.help or "").replace("%(default)s", ""))


def _short(text: str) -> str:
    """Cut a help text before its first remark."""
    return re.split("[;:(]", text, maxsplit=1)[0].strip()


def _quoted(words: Sequence[str]) -> str:
    return shlex.quote(" ".join(words))

"""Which tasks are of a kind: by images and programs for run times, by resources for waits. Pure and stable."""

import hashlib
import math
import re
from collections.abc import Iterator, Sequence

from middleware import ExecutorView, TaskView

_MOST_WORDS = 48
_MOST_CHARACTERS = 4096
_DIGEST_CHARACTERS = 16

_SEPARATORS = frozenset({"|", "||", "&", "&&", ";", "(", ")", "{", "}", "then", "do", "else", "exec", "time"})
_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "ash"})
_SCRIPT = re.compile(r"\.(py|r|sh|bash|pl|jl|jar|rb|js|awk|nf|wdl|cwl|smk)$", re.IGNORECASE)
_HASH = re.compile(r"(?=[0-9a-f-]*\d)[0-9a-f]{6,}(-[0-9a-f]{4,})*", re.IGNORECASE)
_NUMBER = re.compile(r"\d+")
_SPLIT = re.compile(r"[^\s;|&()<>]+|&&|\|\||[;|&()<>]")
_OPTION = re.compile(r"--?[A-Za-z][A-Za-z_-]*")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_DATA = "@"
"""Stands for whatever is data rather than program: paths, files, values."""


def signature_of(task: TaskView, audience: str = "") -> str:
    """Return the kind of task that run times are learned for: images, programs and cores, hashed.

    Kinds of different audiences (`TaskRecord.audience`) are apart: a figure would tell that somebody else runs such
    tasks. Those that everybody sees are everybody's.

    Images count without registry default, tag and digest, so that a new version starts with what is known of the old
    one. Of commands the programs, their words and options count; paths, files, numbers and hashes do not. Where that
    leaves nothing but the call of a script of the engine's (Nextflow, Cromwell), the task's name, up to the first
    bracket and without numbers, tells the steps of a workflow apart.
    """
    parts: list[str] = []
    telling = False
    for executor in task.executors:
        words = _words(executor)
        telling = telling or any(word not in _SHELLS and word[0] not in "@-" for word in words)
        parts.append(" ".join((_image(executor.image), *words)))
    if not telling and task.name:
        parts.append("name " + _plain(task.name[:_MOST_CHARACTERS].partition("(")[0].strip()))
    cores = task.resources.cpu_cores
    parts.append("cores " + ("-" if cores is None else f"{cores:g}"))
    if audience:
        parts.append("audience " + audience)
    return hashlib.sha256("\n".join(parts).encode("utf-8", "replace")).hexdigest()[:_DIGEST_CHARACTERS]


def bucket_of(task: TaskView) -> str:
    """Return the class of resources that waits are learned for: cores in powers of 2, memory in powers of 4.

    Tasks that do not say what they need are a class of their own, and preemptible ones are apart.
    """
    wanted = task.resources
    cores, memory = _power(wanted.cpu_cores, 2), _power(wanted.ram_gb, 4)
    return f"c{cores}-r{memory}" + ("-p" if wanted.preemptible else "")


def _power(amount: float | None, base: int) -> str:
    """The least power of `base` that is enough."""
    if amount is None or not 0 < amount < math.inf:
        return "-"
    return str(base ** max(0, math.ceil(math.log(amount, base) - 1e-9)))


def _image(image: str) -> str:
    name = image.strip().lower()[:_MOST_CHARACTERS].partition("@")[0]
    folder, slash, last = name.rpartition("/")
    name = folder + slash + last.partition(":")[0]
    for default in ("docker://", "index.docker.io/", "docker.io/", "library/"):
        name = name.removeprefix(default)
    return name


def _words(executor: ExecutorView) -> list[str]:
    """The words of a command that tell what is run; runs of data count once."""
    words: list[str] = []
    for word in _program_words(_arguments(executor.command)):
        if len(words) >= _MOST_WORDS:
            break
        if word != _DATA or not words or words[-1] != _DATA:
            words.append(word)
    return words


def _arguments(command: Sequence[str]) -> Iterator[str]:
    """The arguments; those that are scripts of a shell are split into words, more or less as the shell does."""
    for index, argument in enumerate(command[: _MOST_WORDS * 4]):
        argument = argument[:_MOST_CHARACTERS]
        if index and any(character.isspace() for character in argument):
            yield ";"
            yield from _SPLIT.findall(argument)
        else:
            yield argument


def _program_words(arguments: Iterator[str]) -> Iterator[str]:
    starts = True
    for argument in arguments:
        word = argument.strip("\"'`$")
        if argument in _SEPARATORS:
            starts = True
        elif word and not (starts and _ASSIGNMENT.match(word)):
            yield _word(word, starts)
            starts = False


def _word(word: str, starts: bool) -> str:
    option = _OPTION.match(word)
    if option is not None:
        return option.group()
    name = word.rpartition("/")[2]
    if "/" in word and not (starts or _SCRIPT.search(name)):
        return _DATA
    if starts and not name.startswith("."):
        return _plain(name) or _DATA
    if _SCRIPT.search(name):
        return _plain(name)
    if not name or not name[0].isalpha() or not name.replace("_", "").replace("-", "").isalnum():
        return _DATA
    return _plain(name)


def _plain(text: str) -> str:
    """Without hashes and numbers."""
    return _NUMBER.sub("#", _HASH.sub("#", text))

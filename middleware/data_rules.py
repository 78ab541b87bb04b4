"""Filter `data_rules`: where data may be processed (`Context.data_rules`).

Residency must be certain: an instance whose zone is not known is only taken where a rule names it.
"""

import posixpath
import re
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import unquote

from middleware.errors import OptionError
from middleware.kinds import Filter, Judge
from middleware.naming import named
from middleware.needs import scheme_of
from middleware.types import Candidate, Context, DataRule, InputView, Reason, TaskView

__all__ = ["create"]

_CODE = "data_rules"
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)(.*)", re.DOTALL)


class _Prefixed(NamedTuple):
    """A rule with the spellings of its prefix."""

    rule: DataRule
    prefixes: tuple[str, ...]

    def covers(self, urls: set[str]) -> bool:
        return any(url.startswith(self.prefixes) for url in urls)

    def lies_within(self, folders: tuple[str, ...]) -> bool:
        return any(prefix.startswith(folders) for prefix in self.prefixes)


class _Applied(NamedTuple):
    """A rule that applies to a task."""

    rule: DataRule
    inputs: list[int]
    certain: list[bool]
    """Of each of these inputs, whether document and rule alone say so: then it is permanent."""


def create(*, unresolved: str = "allow") -> Filter:
    """Make the filter.

    Each input falls under the rule with the longest prefix of its URL or of any replica's; an input that is a directory
    also under every rule for something within. An instance may run the task when it is in a zone, or is an instance,
    that each of these rules names. A rule's zone is `cloud:region`, `cloud` for all its regions, or a country code.

    Args:
        unresolved: What becomes of a task with a `drs://` input that is not resolved (yet) and falls under no rule by
            its own URL, while there are rules: `allow` it everywhere, or let it `wait` until it is known where it lies.

    Raises:
        OptionError: `unresolved` is neither.
    """
    if unresolved not in ("allow", "wait"):
        raise OptionError("unresolved", "allow or wait")

    def prepare(task: TaskView, context: Context) -> Judge:
        rules = [_Prefixed(rule, tuple(sorted(_spellings(rule.prefix)))) for rule in context.data_rules]
        judged = [(_fits(each.rule), each) for each in _applied(task, rules, context)]
        unknown = _unknown(task, rules, context) if unresolved == "wait" else None

        def judge(candidate: Candidate) -> Reason | None:
            broken = [each for fits, each in judged if not fits(candidate)]
            if broken:
                return _reason(candidate, broken)
            if unknown is not None:
                text = f"{unknown} is not resolved yet, so that it is not known where it may be processed"
                return Reason(code=_CODE, text=text, permanent=False)
            return None

        return judge

    return Filter.prepared(prepare)


def _reason(candidate: Candidate, broken: list[_Applied]) -> Reason:
    where = f"is in zone {candidate.zone}" if candidate.zone is not None else "declares no zone"
    clauses = []
    for each in broken:
        more = f" and {len(each.inputs) - 1} more" if len(each.inputs) > 1 else ""
        clauses.append(
            f"inputs[{each.inputs[0]}]{more} ({each.rule.prefix}) may be processed in {_listed(each.rule)} only"
        )
    permanent = any(certain for each in broken for certain in each.certain)
    return Reason(code=_CODE, text=f"{where}, but {'; '.join(clauses)}", permanent=permanent)


def _applied(task: TaskView, rules: list[_Prefixed], context: Context) -> list[_Applied]:
    found: dict[DataRule, _Applied] = {}
    for index, item in enumerate(task.inputs if rules else ()):
        if item.content is not None or item.url is None:
            continue
        known = context.data.get(item.url)
        replicas = known.replicas if known is not None else ()
        own = _spellings(item.url)
        certain = scheme_of(item.url) != "drs" or bool(replicas)
        for each in _rules_for(item, own.union(*(_spellings(replica.url) for replica in replicas)), rules):
            applied = found.setdefault(each.rule, _Applied(each.rule, [], []))
            applied.inputs.append(index)
            applied.certain.append(certain and bool(_rules_for(item, own, [each])))
    return list(found.values())


def _rules_for(item: InputView, urls: set[str], rules: list[_Prefixed]) -> list[_Prefixed]:
    """Return the rules of the longest prefix, and of a directory those for what lies within."""
    covering = [each for each in rules if each.covers(urls)]
    longest = max((len(each.rule.prefix) for each in covering), default=0)
    folders = tuple(f"{url.rstrip('/')}/" for url in urls) if item.type == "DIRECTORY" else ()
    return [
        each
        for each in rules
        if (each in covering and len(each.rule.prefix) == longest) or (folders and each.lies_within(folders))
    ]


def _fits(rule: DataRule) -> Callable[[Candidate], bool]:
    is_named, zones = named(rule.instances), {each.casefold() for each in rule.zones}

    def fits(candidate: Candidate) -> bool:
        zone = candidate.zone.casefold() if candidate.zone is not None else None
        return (zone is not None and (zone in zones or zone.partition(":")[0] in zones)) or is_named(candidate)

    return fits


def _listed(rule: DataRule) -> str:
    return ", ".join([*sorted(rule.zones), *sorted(rule.instances)]) or "no place"


def _unknown(task: TaskView, rules: list[_Prefixed], context: Context) -> str | None:
    """Return the first input of which nobody knows under which rule it falls."""
    for index, item in enumerate(task.inputs if rules else ()):
        if item.content is not None or item.url is None or scheme_of(item.url) != "drs":
            continue
        known = context.data.get(item.url)
        resolved = known is not None and known.replicas
        if not resolved and not _rules_for(item, _spellings(item.url), rules):
            return f"inputs[{index}]"
    return None


def _spellings(url: str) -> set[str]:
    """Return a URL as it is, and as a server may read it, so that no other spelling gets around a rule.

    The second one has its escapes decoded, and its dot segments and double slashes resolved.
    """
    folded = _folded(url)
    match = _URL.fullmatch(folded)
    if match is None:
        return {folded}
    scheme, host, rest = match.groups()
    decoded = unquote(rest)
    path = posixpath.normpath(f"/{decoded}").replace("//", "/") if decoded else ""
    return {folded, f"{scheme}://{host}{path}{'/' if decoded.endswith('/') and not path.endswith('/') else ''}"}


def _folded(url: str) -> str:
    """Return a URL with scheme and host in lower case, without credentials; a bare absolute path as a file URL."""
    if url.startswith("/"):
        return f"file://{url}"
    match = _URL.fullmatch(url)
    if match is None:
        return url
    scheme, host, rest = match.groups()
    scheme, host = scheme.lower(), host.rpartition("@")[2].lower()
    if scheme == "file" and host == "localhost":
        host = ""
    host = host.removesuffix({"https": ":443", "http": ":80"}.get(scheme, ":"))
    return f"{scheme}://{host}{rest}"

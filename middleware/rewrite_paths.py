"""Rewrite `rewrite_paths`: turns bare paths that mean objects in some storage into URLs, just before forwarding.

Cromwell that is set up for one server writes paths that only this server can map to storage, such as
`/tes-wd/shared/...` (DIALECTS.md 3.2). With the same mapping here its tasks run elsewhere too. Only the forwarded copy
changes, and of it only `url`: the client's document stays as it is, and so do paths in the container.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from urllib.parse import urlsplit

from middleware.errors import OptionError, Unavailable
from middleware.kinds import Rewrite
from middleware.needs import scheme_of
from middleware.path_mapping import PathMapping, joined, longest, own_path_judge, path_of
from middleware.types import (
    Candidate,
    Context,
    InputView,
    OutputView,
    Permission,
    Provides,
    SignerPort,
    TaskView,
)

__all__ = ["create"]

_FIELDS = frozenset({"prefix", "url", "sas"})
_READ: frozenset[Permission] = frozenset({"read"})
_READ_ALL: frozenset[Permission] = frozenset({"read", "list"})
_WRITE: frozenset[Permission] = frozenset({"create", "write"})


@dataclass(frozen=True, slots=True)
class _Target:
    """What a prefix stands for."""

    url: str
    signer: str | None


def create(*, mappings: object = (), instances: object = None, not_instances: object = ()) -> Rewrite:
    """Make the rewrite.

    Inputs without content and outputs are mapped whose `url` is a bare absolute path (or `file` URL) that is one of the
    prefixes or lies below it; the longest one wins. They are left as they are for an instance that maps them itself
    (`Limits.own_paths`), and for one that declares `file` and not the scheme of the mapping's URL.

    The rewrite raises `Unavailable` where a path would leave what its prefix stands for, where its URL cannot be
    signed, and where the instance takes neither.

    Args:
        mappings: List of maps with `prefix` (an absolute path), `url` (what it stands for, without query), and `sas`
            (name of the signer for private storage; none by default).
        instances: Ids or base URLs of the instances it is done for; all by default.
        not_instances: Ids or base URLs of instances it is not done for, such as those where the paths are mounted.

    Raises:
        OptionError: An option is not what it must be.
    """
    if not isinstance(mappings, list | tuple) or not mappings:
        raise OptionError("mappings", "a list of maps with prefix and url, at least one")
    only = None if instances is None else frozenset(_texts("instances", instances))
    never = frozenset(_texts("not_instances", not_instances))
    targets: dict[str, _Target] = {}
    for index, each in enumerate(mappings):
        prefix, target = _mapping(f"mappings[{index}]", each)
        if prefix in targets:
            raise OptionError(f"mappings[{index}].prefix", "another one than those before")
        targets[prefix] = target
    paths = tuple(
        PathMapping(prefix=prefix, scheme=scheme_of(target.url), instances=only, not_instances=never)
        for prefix, target in targets.items()
    )
    is_for = paths[0].judge()  # the same for all of them
    return Rewrite(partial(_apply, targets, paths, is_for), Provides(paths=paths))


def _apply(
    targets: Mapping[str, _Target],
    paths: Sequence[PathMapping],
    is_for: Callable[[Candidate], bool],
    task: TaskView,
    candidate: Candidate,
    context: Context,
) -> TaskView:
    if not is_for(candidate):
        return task
    limits = candidate.limits
    mapper = _Mapper(targets, paths, partial(own_path_judge(task), limits), context.signers)
    inputs, outputs = list(task.inputs), list(task.outputs)
    for index, item in enumerate(inputs):
        if item.content is None and item.url is not None:
            url = mapper.url(f"inputs[{index}].url", item.url, limits.input_schemes, _of_input(item))
            inputs[index] = replace(item, url=url)
    for index, output in enumerate(outputs):
        url = mapper.url(f"outputs[{index}].url", output.url, limits.output_schemes, _of_output(output))
        outputs[index] = replace(output, url=url)
    return replace(task, inputs=tuple(inputs), outputs=tuple(outputs))


@dataclass(frozen=True, slots=True)
class _Need:
    """What a URL must allow, and whether for all that lies below it."""

    permissions: frozenset[Permission]
    below: bool


def _of_input(item: InputView) -> _Need:
    below = item.type == "DIRECTORY"
    return _Need(_READ_ALL if below else _READ, below)


def _of_output(item: OutputView) -> _Need:
    # With wildcards the URL is that of a directory, whatever the type.
    return _Need(_WRITE, item.type == "DIRECTORY" or item.path_prefix is not None)


@dataclass(frozen=True, slots=True)
class _Mapper:
    """Maps the URLs of one task for one instance."""

    targets: Mapping[str, _Target]
    paths: Sequence[PathMapping]
    left_alone: Callable[[str], bool]
    signers: Mapping[str, SignerPort]

    def url(self, where: str, url: str, taken: frozenset[str] | None, need: _Need) -> str:
        """Return what to forward in place of a URL.

        Raises:
            Unavailable: Nothing that would do.
        """
        path = path_of(url)
        mapping = longest(path, self.paths) if path is not None else None
        if path is None or mapping is None or self.left_alone(path) or not _changes(mapping, taken, where):
            return url
        return self._object(mapping.prefix, path, where, need)

    def _object(self, prefix: str, path: str, where: str, need: _Need) -> str:
        target = self.targets[prefix]
        url = joined(target.url, prefix, path)
        if url is None:
            raise Unavailable(f"{where} is no clean path below {prefix}")
        if target.signer is None:
            return url
        signer = self.signers.get(target.signer)
        if signer is None:
            raise Unavailable(f"no signer has the name that the mapping of {prefix} gives")
        signed = signer.signed(url, need.permissions, below=need.below)
        if signed is None:
            raise Unavailable(f"the signer of {prefix} does not sign for {where}")
        return signed


def _changes(mapping: PathMapping, taken: frozenset[str] | None, where: str) -> bool:
    """Tell whether a mapping is to be used for an instance that takes these schemes.

    Raises:
        Unavailable: It takes neither the path nor the URL.
    """
    if taken is None or mapping.scheme in taken:
        return True
    if "file" in taken:
        return False
    raise Unavailable(f"takes neither paths nor {mapping.scheme} URLs ({where})")


def _mapping(where: str, given: object) -> tuple[str, _Target]:
    if not isinstance(given, Mapping) or not set(given) <= _FIELDS:
        raise OptionError(where, f"a map of {', '.join(sorted(_FIELDS))}")
    prefix, url, signer = given.get("prefix"), given.get("url"), given.get("sas")
    if not isinstance(prefix, str) or not _is_clean(prefix):
        raise OptionError(f"{where}.prefix", "an absolute path other than /, without empty, . or .. parts")
    if not isinstance(url, str) or not _is_target(url):
        raise OptionError(f"{where}.url", "a URL with a host, without user, query, fragment and .. parts")
    if signer is not None and not (isinstance(signer, str) and signer):
        raise OptionError(f"{where}.sas", "the name of a signer (sources.signers)")
    return prefix.rstrip("/"), _Target(url.rstrip("/"), signer)


def _is_clean(prefix: str) -> bool:
    parts = prefix.rstrip("/").split("/")
    return len(parts) > 1 and not parts[0] and not {"", ".", ".."} & set(parts[1:]) and prefix.isprintable()


def _is_target(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    unfit = parts.query or parts.fragment or "@" in parts.netloc or ".." in parts.path.split("/")
    return bool(parts.scheme and parts.netloc) and not unfit and parts.scheme != "file" and url.isprintable()


def _texts(where: str, given: object) -> tuple[str, ...]:
    if not isinstance(given, list | tuple) or not all(isinstance(each, str) for each in given):
        raise OptionError(where, "a list of ids or base URLs")
    return tuple(given)

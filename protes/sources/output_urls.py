"""What an instance logs of outputs, under the client's own URLs. Pure.

Where a rewrite mapped paths to signed URLs for the forwarded copy (`rewrite_paths`), an instance logs those: they are
not what the client asked for, and a signature is a credential.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from middleware.path_mapping import is_below, path_of


def with_own_urls(outputs: Sequence[Mapping[str, Any]], log: Mapping[str, Any]) -> dict[str, Any]:
    """Return a `tesTaskLog` whose outputs have the client's URLs where these are bare paths.

    Args:
        outputs: of the client's document.
        log: as it was read from the instance.
    """
    if not log.get("outputs") or all(path_of(each["url"]) is None for each in outputs):
        return dict(log)
    return {**log, "outputs": [{**each, "url": _own_url(outputs, each)} for each in log["outputs"]]}


def _own_url(outputs: Sequence[Mapping[str, Any]], logged: Mapping[str, Any]) -> str:
    url, path = str(logged["url"]), str(logged["path"])
    if path_of(url) is not None:
        return url
    roots = [(_root(each), str(each["url"])) for each in outputs]
    root, own = max(
        ((root, own) for root, own in roots if is_below(path, root)), key=lambda pair: len(pair[0]), default=("", "")
    )
    if not own:
        return url.partition("?")[0]  # whose it is cannot be told; what may be signed is not shown
    if path_of(own) is None:
        return url  # as the client gave it, or as the instance calls it: no rewrite was at work
    return own if path == root else own.rstrip("/") + path[len(root) :]


def _root(output: Mapping[str, Any]) -> str:
    """The file or directory in the container that an output's URL stands for."""
    return str(output.get("path_prefix") or output["path"]).rstrip("/")

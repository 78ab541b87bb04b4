"""What the two Azure servers make of Cromwell's tasks (DIALECTS.md 3.2 and 3.3), for their fakes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

SIGNATURE = "sig=c2lnbmF0dXJl"
_UUID = r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
_RC = {
    "tesazure": re.compile(rf"/tes-wd(?:/.*)?/([^/]+)/{_UUID}/call-([^/]+)(?:/.*)?/execution/rc"),
    "ga4gh-tes": re.compile(rf"/.+/([^/]+)/{_UUID}/call-([^/]+)(?:/shard-\d+)?(?:/attempt-\d+)?/execution/rc"),
}
_STORE = "https://example.blob.core.windows.net/cromwell"


def seen(server: str, document: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Return workflow, run and call of a task that the server takes for Cromwell's."""
    paths = [each["path"] for each in document.get("outputs") or ()]
    match = next((found for path in paths if (found := _RC[server].fullmatch(path))), None)
    if match is None or (document.get("description") or "").partition(":")[0] != match[2]:
        return None
    fits = _fits_tesazure if server == "tesazure" else _fits_ga4gh_tes
    return (match[1], match[2], match[3]) if fits(document) else None


def _fits_tesazure(document: Mapping[str, Any]) -> bool:
    outputs = document["outputs"]
    ends = all(any(each["path"].endswith(f"execution/{name}") for each in outputs) for name in ("stdout", "stderr"))
    return ends and all(each["url"] == each["path"] for each in outputs)


def _fits_ga4gh_tes(document: Mapping[str, Any]) -> bool:
    named = {"rc", "stdout", "stderr"} <= {each.get("name") for each in document["outputs"]}
    scripts = (each for each in document.get("inputs") or () if each.get("name") == "commandScript")
    return named and any(
        (each.get("description") or "").endswith(".commandScript") and each["path"].endswith("/script")
        for each in scripts
    )


def rewritten_by_tesazure(document: dict[str, Any]) -> dict[str, Any]:
    """Return a task with the tags that it adds, and the signed URLs that it makes of paths on the share."""
    found = seen("tesazure", document)
    tags = dict(document.get("tags") or {})
    if found is not None:
        workflow, run, call = found
        names = {"name": "cromwell", "workflow-id": run, "workflow-name": workflow, "workflow-stage": call}
        tags |= {f"ms-submitter-{name}": value for name, value in names.items()}
        tags["ms-submitter-cromwell-executiondir"] = document["outputs"][-1]["path"].rpartition("/")[0]
    if tags.get("ms-submitter-name") != "cromwell":  # the tags alone decide, whoever has written them
        return document
    parts = {part: [_signed(each) for each in document.get(part) or ()] for part in ("inputs", "outputs")}
    return {**document, **parts, "tags": tags}


def _signed(item: dict[str, Any]) -> dict[str, Any]:
    path = item["path"]
    if item.get("url") != path or not path.startswith("/tes-wd/shared"):
        return item
    return {**item, "url": f"{_STORE}/{path.removeprefix('/tes-wd/')}?se=2030-01-01&{SIGNATURE}"}

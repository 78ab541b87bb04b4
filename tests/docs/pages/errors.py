"""`docs/errors.md`: every status that the gateway answers with, and every sentence that it says, from the code."""

import ast
from collections.abc import Iterator
from pathlib import Path

from protes.api.problems import title_of

ROOT = Path(__file__).parents[3]
_PARTS = ("api", "auth", "quotas", "events", "dashboard", "metrics")
_NOT_PROBLEMS = frozenset({200, 201, 202, 204, 304})

MEANINGS: dict[int, tuple[str, str]] = {
    400: (
        "the request is not valid: `detail` names each field at fault",
        "mend what it names; do not repeat it as it is",
    ),
    401: ("the gateway does not know who you are, or your token is over", "get a token; see `WWW-Authenticate`"),
    403: ("you may not do this, or the name in `Host` or `Origin` is not one of the gateway's", "ask the operator"),
    404: ("there is nothing here, or nothing that you may see", "look at the id and the path"),
    405: ("this path knows other methods: see `Allow`", "use one of those"),
    406: ("no media type that you accept is there", "accept `application/json`"),
    409: ("what is there now does not let this be done", "look at it, then decide"),
    410: ("it was here and has expired", "begin anew"),
    413: ("the body, or the list in it, is too large", "send less at once"),
    415: ("the body is of another media type", "set `Content-Type`"),
    421: ("the request is for another server", "look at the URL"),
    422: ("the request is understood and cannot be carried out", "see `detail`"),
    429: ("you asked for more than you may, for now", "wait as long as `Retry-After` says"),
    431: ("the headers are too large", "send less"),
    500: ("an unexpected error, which has been logged", "tell the operator when it was"),
    501: ("this gateway is not set up for it", "ask the operator"),
    503: (
        "the gateway, or its store, is busy or away",
        "repeat it after `Retry-After`, a POST with the same `Idempotency-Key`",
    ),
    508: ("the task has passed this gateway before", "take the ring of gateways apart"),
}
"""What each status means here, and what to do."""

_ALWAYS = (404, 405, 413, 415, 500, 503)
"""Answered by handlers for all paths, also where no `Problem` is made by hand."""

_HEAD = """# Errors

Every error, on every endpoint, is a problem details document ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457))
of the media type `application/problem+json`:

```json
{
  "type": "about:blank",
  "title": "Bad Request",
  "status": 400,
  "detail": "executors: must hold at least one executor",
  "errors": [{"field": "executors", "detail": "must hold at least one executor"}]
}
```

`type` is always `about:blank`: the status says which kind of problem it is, and `title` is its name. `detail` is a
sentence for people that says what would be right; it never holds what you sent as a secret. `errors` is there where
fields are at fault, each with its path (`executors[0].command`, `query parameter page_size`, `tags.protes.weight`).
Statuses and fields are for programs; sentences may be reworded.

This page is made from the code: `python -m tests.docs.generate`.

## Statuses

| status | title | meaning | what to do |
|---|---|---|---|
"""

_SENTENCES = """
## Sentences

What `detail` says beyond fields at fault; `…` stands for what differs.
"""


def render() -> str:
    """Return the page."""
    found = sentences()
    rows = []
    for status in sorted({*found, *_ALWAYS}):
        meaning, todo = MEANINGS[status]
        rows.append(f"| [{status}](#{status}) | {title_of(status)} | {meaning} | {todo} |\n")
    parts = [_HEAD, *rows, _SENTENCES]
    for status in sorted({*found, *_ALWAYS}):
        lines = "".join(f"- {text}\n" for text in sorted(found.get(status, ())))
        parts.append(f"\n### {status}\n\n{lines or '- ' + MEANINGS[status][0] + chr(10)}")
    return "".join(parts)


def sentences() -> dict[int, set[str]]:
    """Return the sentences of all problems that the code makes, by status."""
    found: dict[int, set[str]] = {}
    for path in _files():
        for status, text in _problems(ast.parse(path.read_text(encoding="utf-8"))):
            found.setdefault(status, set())
            if text:
                found[status].add(text)
    return found


def _files() -> Iterator[Path]:
    for part in _PARTS:
        yield from sorted((ROOT / "protes" / part).rglob("*.py"))


def _problems(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Problem"):
            continue
        if node.args and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, int):
            status = node.args[0].value
            if status not in _NOT_PROBLEMS:
                yield status, _text(node.args[1]) if len(node.args) > 1 else ""


def _text(node: ast.AST) -> str:
    """Return a sentence as people see it; empty where it comes from elsewhere."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _shown(node.value)
    if isinstance(node, ast.JoinedStr):
        parts = [str(each.value) if isinstance(each, ast.Constant) else "…" for each in node.values]
        return _shown("".join(parts)) if any(isinstance(each, ast.Constant) for each in node.values) else ""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _text(node.left), _text(node.right)
        return f"{left} {right or '…'}" if left else ""
    return ""


def _shown(text: str) -> str:
    text = " ".join(text.split())
    return "" if not text.strip(" …:;,.") else text.replace("<", "&lt;").replace("_", "\\_").replace("*", "\\*")

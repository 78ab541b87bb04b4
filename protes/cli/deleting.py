"""The command that deletes tasks that have ended."""

import sys
from argparse import Namespace
from typing import Any
from urllib.parse import quote

from protes.cli import remote
from protes.cli.output import CliError, Exit, as_json


def delete(args: Namespace) -> int:
    """Delete tasks by their ids; those that have not ended are left."""
    results: list[dict[str, Any]] = []
    for task_id in args.ids:
        try:
            remote.call("DELETE", f"{remote.gateway(args)}/protes/v1/tasks/{quote(task_id, safe='')}")
            results.append({"id": task_id})
        except CliError as error:
            results.append({"id": task_id, "problem": str(error)})
    if args.json:
        as_json({"results": results})
    for each in results:
        if "problem" in each:
            print(f"protes: {each['id']}: {each['problem']}", file=sys.stderr)
        elif not args.json:
            print(f"{each['id']}: deleted")
    return Exit.FAILED if any("problem" in each for each in results) else Exit.OK

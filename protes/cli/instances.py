"""The command `protes instances`: a table of them; operators register and remove them."""

import json
import os
import sys
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from protes.cli import credentials
from protes.cli.looking import Look, show
from protes.cli.output import CliError, Exit, as_json, table, without_empty
from protes.cli.remote import call, gateway

TOKEN_VARIABLE = "PROTES_OPERATOR_TOKEN"  # noqa: S105 (a variable's name)
_SERVICES = "/ga4gh/registry/v1/services"
_HEADERS = ("ID", "SOURCE", "STATE", "TASKS", "WAIT", "SPEED", "CORE-HOUR", "URL", "TROUBLE")


def instances(args: Namespace) -> int:
    """Print the instances the gateway knows, or register or remove one."""
    if args.register is not None:
        return _register(args)
    if args.remove is not None:
        return _remove(args)

    def look() -> Look:
        answer = call("GET", f"{gateway(args)}/protes/v1/instances")
        rows = [_row(each) for each in answer["instances"]]
        return Look(answer, lambda: table(*without_empty(_HEADERS, rows)))

    return show(args, look)


def _register(args: Namespace) -> int:
    document = _read(args.register)
    named = document.get("id") if isinstance(document, dict) else None
    # With an id the same command can be repeated; without one each makes another instance.
    method, path = ("PUT", f"{_SERVICES}/{quote(str(named), safe='')}") if named else ("POST", _SERVICES)
    service = call(method, gateway(args) + path, json_body=document, headers=_operator())
    as_json(service) if args.json else print(f"{service['id']}: registered at {service['url']}")
    return Exit.OK


def _remove(args: Namespace) -> int:
    call("DELETE", f"{gateway(args)}{_SERVICES}/{quote(args.remove, safe='')}", headers=_operator())
    as_json({"id": args.remove, "registration": "removed"}) if args.json else print(f"{args.remove}: removed")
    return Exit.OK


def _operator() -> dict[str, str]:
    """Return the header that shows who calls; the token is never an argument, which other users of a machine see."""
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    if not token and credentials.current().authorization() is not None:
        return {}  # then it is for the role of whoever that is
    if not token:
        raise CliError(f"set {TOKEN_VARIABLE} to the gateway's server.operator_token", Exit.USAGE)
    return {"Authorization": f"Bearer {token}"}


def _read(file: str) -> Any:
    try:
        return json.loads(sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise CliError(f"{file}: {error.strerror}", Exit.USAGE) from None
    except ValueError as error:
        raise CliError(f"{file}: not JSON: {error}", Exit.USAGE) from None


def _row(instance: Mapping[str, Any]) -> tuple[object, ...]:
    most, figures = instance.get("max_in_flight"), instance.get("figures", {})
    prices = instance.get("prices", {})
    price = prices.get("cpu_core_hour")
    return (
        instance["id"],
        instance["source"],
        instance["state"],
        f"{instance['tasks_in_flight']}/{most}" if most is not None else instance["tasks_in_flight"],
        _seconds(figures.get("queue_seconds")),
        _figure(figures.get("speed")),
        f"{price} {prices['currency']}" if price is not None else None,
        instance.get("url"),
        instance.get("last_error", ""),
    )


def _seconds(figure: Mapping[str, Any] | None) -> str | None:
    """A default wait says nothing: nobody has waited there yet."""
    return f"{figure['value']:.3g} s" if figure is not None and figure["basis"] != "default" else None


def _figure(figure: Mapping[str, Any] | None) -> str | None:
    return f"{figure['value']:.3g}" if figure is not None else None

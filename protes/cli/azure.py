"""The commands `protes azure provision` and `provision-status`: the provisioner of the Azure Batch TES ("tesazure").

Secrets come from the environment or a file, never from arguments, and are masked in whatever is printed. Keys that the
server answers with go to a file of their own or nowhere. Plain http is refused unless forced.
"""

import json
import math
import os
import sys
import threading
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from protes.cli.output import CliError, Exit, as_json
from protes.cli.provisioner import GET_SECONDS, SHOWN, NoStatus, Provisioner, in_key_vault
from protes.clock import Clock, SystemClock
from protes.tes.urls import canonical

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS, _PAUSE_GROWTH = 1.0, 30.0, 1.5
_ENDED = ("CREATED", "ERROR", "NOTFOUND")

_KEYS = ("storage_account_key", "batch_account_key")
_FIELDS = (("client_id", ("client_id", "appId")), ("secret", ("secret", "password")), ("tenant", ("tenant",)))
"""Names in a secret file: those of the server's request, and those that `az ad sp create-for-rbac` prints."""
_WAITS = "waits for the server's worker"
_RESTART = "Restart the web app now: it reads the settings of what was created only when it starts."


def provision(args: Namespace) -> int:
    """Have the server create its Azure resources; with --wait, wait for the end."""
    clock = SystemClock()
    base, principal = _base(args), _principal(args, os.environ)
    server = Provisioner(base, principal.secrets(), _timeout(args), clock)
    provision_id = server.create(_request(args, principal, os.environ))
    if not args.wait:
        as_json({"id": provision_id}) if args.json else print(provision_id)
        print(f"follow it with: {_follow(base, provision_id)}", file=sys.stderr)
        return Exit.OK
    # At once, and where it disturbs no program: whatever happens from here on, the id is known.
    print(f"provisioning {provision_id} has begun", file=sys.stderr, flush=True)
    return _report(args, provision_id, _wait(server, provision_id, args.timeout, clock), server)


def provision_status(args: Namespace) -> int:
    """Print how far a provisioning is; with --keys-file, write the keys of what was created to a file."""
    base, keys_file = _base(args), args.keys_file
    if keys_file is not None and os.path.lexists(keys_file):
        raise CliError(f"{keys_file} exists already and is not overwritten", Exit.USAGE)
    server = Provisioner(base, (), _timeout(args), SystemClock())
    document = server.status(args.id)
    code = _report(args, args.id, document, server)
    if keys_file is not None:
        _write_keys(keys_file, document)
        print(f"the keys are in {keys_file}, which only you can read", file=sys.stderr)
    return code


@dataclass(frozen=True)
class ServicePrincipal:
    """Who creates the resources at Azure."""

    client_id: str
    secret: SecretStr
    tenant: SecretStr

    def document(self) -> dict[str, str]:
        """Return the part of the request, secret and all."""
        secret, tenant = self.secrets()
        return {"client_id": self.client_id, "secret": secret, "tenant": tenant}

    def secrets(self) -> tuple[str, str]:
        """Return what must not be shown."""
        return self.secret.get_secret_value(), self.tenant.get_secret_value()


def _wait(server: Provisioner, provision_id: str, timeout_seconds: float, clock: Clock) -> dict[str, Any]:
    """Ask until it has ended, more and more rarely, and tell people when something changes."""
    begun, pause, told = clock.monotonic(), _FIRST_PAUSE_SECONDS, ""
    while True:
        trouble = None
        try:
            document = server.status(provision_id)
            state = str(server.shown(provision_id, document)["status"] or _WAITS)
            if state in _ENDED:
                return document
        except NoStatus as error:
            trouble, state = error, str(error)
        passed = clock.monotonic() - begun
        if state != told:
            print(f"{passed:4.0f} s  {state}", file=sys.stderr, flush=True)
            told = state
        if passed >= timeout_seconds:
            code = trouble.code if trouble is not None else Exit.FAILED
            raise CliError(f"{provision_id} has not ended after {timeout_seconds:g} s: {state}", code)
        clock.wait(threading.Event(), min(pause, timeout_seconds - passed))
        pause = min(pause * _PAUSE_GROWTH, _LONGEST_PAUSE_SECONDS)


def _report(args: Namespace, provision_id: str, document: Mapping[str, Any], server: Provisioner) -> Exit:
    shown = server.shown(provision_id, document)
    if args.json:
        as_json(shown)
    else:
        print(f"{shown.pop('id')}  {shown.pop('status') or _WAITS}")
        for name, value in shown.items():
            print(f"  {name}: {value}")
    if document.get("status") == "CREATED":
        print(_RESTART, file=sys.stderr if args.json else sys.stdout)
    if document.get("status") == "ERROR":
        print("What had been created before the error is still there.", file=sys.stderr)
    return Exit.FAILED if document.get("status") in ("ERROR", "NOTFOUND") else Exit.OK


def _write_keys(file: str, document: Mapping[str, Any]) -> None:
    """Write names and keys to a file that only its owner can read, and that was not there before."""
    kept = {name: document[name] for name in (*SHOWN[1:], *_KEYS) if document.get(name)}
    if not any(name in kept and not in_key_vault(kept[name]) for name in _KEYS):
        why = "the server keeps them in its Key Vault" if kept else "nothing has been created yet"
        raise CliError(f"no keys were sent: {why}; {file} was not written")
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            out.write(json.dumps(kept, indent=2) + "\n")
    except OSError as error:
        raise CliError(f"{file}: {error.strerror}", Exit.USAGE) from None


def _base(args: Namespace) -> str:
    try:
        base = canonical(args.url)
    except ValueError:
        text = "--url must be https:// and a host, without credentials, query and fragment"
        raise CliError(text, Exit.USAGE) from None
    if base.startswith("http:") and not args.force_http:
        text = (
            "secrets do not travel over plain http, where everyone on the way reads them; --force-http does it anyway"
        )
        raise CliError(text, Exit.USAGE)
    return base


def _timeout(args: Namespace) -> float:
    seconds = float(getattr(args, "timeout", GET_SECONDS))
    if not (math.isfinite(seconds) and seconds > 0):
        raise CliError("--timeout must be above zero", Exit.USAGE)
    return seconds


def _principal(args: Namespace, environ: Mapping[str, str]) -> ServicePrincipal:
    filed = _read_secret(args.secret_file) if args.secret_file is not None else {}
    found = {
        "client_id": args.client_id or filed.get("client_id") or environ.get("AZURE_CLIENT_ID", ""),
        "secret": filed.get("secret") or environ.get("AZURE_CLIENT_SECRET", ""),
        "tenant": filed.get("tenant") or environ.get("AZURE_TENANT_ID", ""),
    }
    variables = {"client_id": "AZURE_CLIENT_ID", "secret": "AZURE_CLIENT_SECRET", "tenant": "AZURE_TENANT_ID"}
    missing = [variables[name] for name, value in found.items() if not value]
    if missing:
        raise CliError(f"set {', '.join(missing)}, or name a --secret-file that says it", Exit.USAGE)
    return ServicePrincipal(found["client_id"], SecretStr(found["secret"]), SecretStr(found["tenant"]))


def _read_secret(file: str) -> dict[str, str]:
    """Read a service principal as JSON, or the secret alone."""
    try:
        text = Path(file).read_text(encoding="utf-8").strip()
        document = json.loads(text) if text.startswith("{") else {"secret": text}
    except OSError as error:
        raise CliError(f"{file}: {error.strerror}", Exit.USAGE) from None
    except (ValueError, RecursionError):
        raise CliError(f"{file}: neither a secret nor a service principal as JSON", Exit.USAGE) from None
    read = {name: next((document[each] for each in names if each in document), "") for name, names in _FIELDS}
    return {name: value for name, value in read.items() if isinstance(value, str)}


def _request(args: Namespace, principal: ServicePrincipal, environ: Mapping[str, str]) -> dict[str, Any]:
    subscription = args.subscription or environ.get("AZURE_SUBSCRIPTION_ID", "")
    if not subscription:
        raise CliError("name the --subscription, or set AZURE_SUBSCRIPTION_ID", Exit.USAGE)
    named = {
        "resource_group": args.resource_group,
        "location": args.location,
        "storage_account_name": args.storage_account,
        "storage_sku": args.storage_sku,
        "batch_account_name": args.batch_account,
    }
    # What is not said is left out, not null, and the server chooses.
    wishes = {name: value for name, value in named.items() if value}
    return {"service_principal": principal.document(), "subscription_id": subscription, **wishes}


def _follow(base: str, provision_id: str) -> str:
    forced = " --force-http" if base.startswith("http:") else ""
    return f"protes azure provision-status {provision_id} --url {base}{forced}"

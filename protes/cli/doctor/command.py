"""The command `protes doctor`: what is wrong here, and what to do about it."""

import logging
import os
import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator, Mapping

from middleware import MiddlewareConfigError, build_chain
from protes import __version__
from protes.cli import colour
from protes.cli.doctor.broker import check_broker
from protes.cli.doctor.federation import check_federation
from protes.cli.doctor.finding import Finding, Reporter
from protes.cli.doctor.gateway import answers, check_gateway, url_of
from protes.cli.doctor.secrets import check_files
from protes.cli.doctor.store import check_store
from protes.cli.output import Exit, as_json, printable
from protes.clock import Clock, SystemClock
from protes.config.loading import ConfigError, Loaded, load
from protes.federation.merge import check_urls


def doctor(args: Namespace) -> int:
    """Carry out all checks and print what they find; exit code 1 where one fails."""
    # What parts log of the same troubles would stand between the findings.
    logging.disable(logging.CRITICAL)
    try:
        findings = []
        for finding in examine(args, os.environ, SystemClock()):
            findings.append(finding)
            if not args.json:
                _print(finding)
    finally:
        logging.disable(logging.NOTSET)
    counted = Counter(each.result for each in findings)
    if args.json:
        counts = {result: counted[result] for result in ("ok", "warn", "fail", "skip")}
        as_json({"version": __version__, "counts": counts, "findings": [each.document() for each in findings]})
    else:
        print(f"\n{counted['ok']} ok, {_many(counted['warn'], 'warning')}, {_many(counted['fail'], 'failure')}")
    return Exit.FAILED if counted["fail"] else Exit.OK


def examine(args: Namespace, environ: Mapping[str, str], clock: Clock) -> Iterator[Finding]:
    """Carry out the checks one after the other; none stops another.

    With `--url` alone only that gateway is looked at: its configuration may be on another machine.
    """
    if args.url is not None and not args.config and args.data is None:
        yield from check_gateway(args.url, clock, expected=True)
        return
    report = Reporter("configuration", ", ".join(args.config))
    try:
        loaded = _load(args, environ)
    except (ConfigError, MiddlewareConfigError) as error:
        yield report.fail(str(error), "mend it: docs/settings.md has every setting")
        if args.url is not None:
            yield from check_gateway(args.url, clock, expected=True)
        return
    settings = loaded.settings
    server = settings.server
    yield report.ok(
        f"it can be used: {_many(server.workers, 'process', 'es')} with {server.threads} request threads each"
    )
    yield from check_files(loaded)
    url = args.url or url_of(settings)
    yield from check_store(settings, clock, serving=answers(url))
    yield from check_broker(settings.runner, clock)
    yield from check_federation(settings, environ, clock)
    yield from check_gateway(url, clock, expected=args.url is not None)


def _load(args: Namespace, environ: Mapping[str, str]) -> Loaded:
    overrides = {} if args.data is None else {"store": {"url": args.data}}
    loaded = load(args.config, environ, overrides)
    check_urls(loaded.settings.instances)
    build_chain(loaded.settings.chain)
    return loaded


def _many(count: int, word: str, ending: str = "s") -> str:
    return f"{count} {word}{ending if count != 1 else ''}"


def _print(finding: Finding) -> None:
    result = colour.paint(finding.result.ljust(4), colour.of_word(finding.result), sys.stdout)
    subject = f" {finding.subject}" if finding.subject else ""
    print(f"{result}  {finding.check}{printable(subject)}: {printable(finding.text)}", flush=True)
    if finding.todo and finding.result != "ok":
        print(f"      -> {printable(finding.todo)}", flush=True)

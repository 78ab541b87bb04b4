"""`protes demo`: the whole federation on this machine, at work."""

import argparse
import signal
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from protes.cli import parsing
from protes.cli.output import CliError, Exit


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    text = "start a demo federation on this machine and send real tasks through it"
    examples = (
        ("protes demo", "at http://127.0.0.1:8080, until Ctrl-C"),
        ("protes demo --once", "end when the tasks have ended"),
    )
    command = parsing.add_command(commands, "demo", demo, text, examples)
    command.add_argument("--port", type=int, default=8080, help="port of the gateway (8080; 0 takes any)")
    command.add_argument("--once", action="store_true", help="end when the tasks have ended")


def demo(args: argparse.Namespace) -> int:
    """Run the demo; exit code 1 where a task does not end as expected."""
    from protes.demo.federation import NODES, DemoFederation, PortTaken
    from protes.demo.play import Play, report, why
    from protes.demo.processes import ServerFailed
    from protes.demo.tasks import demo_tasks, generate

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    with tempfile.TemporaryDirectory(prefix="protes-demo-") as folder:
        print("Starting a registry, three TES nodes and the gateway ...", flush=True)
        try:
            with DemoFederation(Path(folder), args.port) as federation:
                play = Play(federation.gateway_url)
                play.wait_for_instances(len(NODES))
                _introduce(federation.gateway_url, federation.registry_url)
                digest = generate(federation.storage / "numbers.txt")
                print("\nSending tasks; each one says whether cost (0) or runtime (1) matters:", flush=True)
                played = play.run(demo_tasks(federation.storage, digest))
                report(played)
                print("\nWhy: the offers they were placed by, best first")
                why(played)
                complaints = [(each, each.complaint()) for each in played if each.complaint()]
                for each, complaint in complaints:
                    print(f"\nNot as expected: {each.demo.title}: {complaint}", file=sys.stderr)
                if not complaints:
                    print(f"\nAll {len(played)} tasks ended as expected.")
                if not args.once:
                    _serve_on(federation.gateway_url)
                return Exit.FAILED if complaints else Exit.OK
        except (PortTaken, ServerFailed) as error:
            raise CliError(str(error)) from None


def _interrupt(*_: object) -> None:
    """Whatever ends the demo, its servers end with it."""
    raise KeyboardInterrupt


def _introduce(gateway_url: str, registry_url: str) -> None:
    from protes.demo.federation import NODES

    print(f"  gateway   {gateway_url}/ga4gh/tes/v1")
    print(f"  registry  {registry_url}/services")
    for node in NODES:
        print(f"  node      {node.id:<9} {node.speed:g} x reference speed, {node.price} EUR per core and hour")


def _serve_on(gateway_url: str) -> None:
    print("\nThe federation keeps serving. Try, in another terminal:")
    print(f"  curl {gateway_url}/ga4gh/tes/v1/tasks?view=BASIC")
    print(f"  .venv/bin/protes list --url {gateway_url}")
    print(f"  a browser at {gateway_url}/ (and Swagger UI at {gateway_url}/ga4gh/tes/v1/ui/)")
    print("Ctrl-C ends it.", flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        print("\nStopping ...")

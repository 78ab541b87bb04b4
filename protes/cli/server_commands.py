"""The options of commands that run servers on this machine, or look after them."""

from typing import Any

from protes.cli import demo, node
from protes.cli.completion import SHELLS, completion
from protes.cli.parsing import Parser, add_command, later


def add(commands: Any) -> None:
    """Add the commands to the parser."""
    _add_serve(commands)
    _add_worker(commands)
    _add_check_config(commands)
    _add_doctor(commands)
    _add_hash_password(commands)
    demo.add_command(commands)
    node.add_command(commands)
    _add_completion(commands)


def _add_config(command: Parser) -> None:
    command.add_argument("--config", metavar="FILE", action="append", default=[], help="YAML file; may be repeated")


def _add_address(command: Parser) -> None:
    command.add_argument("--host", help="address to bind to (server.host)")
    command.add_argument("--port", type=int, help="port to bind to (server.port)")
    command.add_argument("--data", metavar="DIR", help="folder of the embedded store (store.url)")
    text = "let everybody in who reaches the address (auth.allow_anonymous)"
    command.add_argument("--allow-anonymous", action="store_const", const=True, help=text)
    text = "leave all jobs to workers behind a broker (runner.execute false)"
    command.add_argument("--api-only", action="store_const", const=False, dest="execute", help=text)


def _add_serve(commands: Any) -> None:
    examples = (
        ("protes serve", "at http://127.0.0.1:8080, with a store in ./data"),
        ("protes serve --config gateway.yaml --data /var/lib/protes", "as a configuration says"),
        ("PROTES_SERVER__PORT=9000 protes serve", "every setting has an environment variable"),
    )
    command = add_command(commands, "serve", later("serving", "serve"), "serve the gateway", examples)
    _add_config(command)
    _add_address(command)


def _add_check_config(commands: Any) -> None:
    text = "check a configuration and print it without secrets, as JSON"
    examples = (("protes check-config --config gateway.yaml", "say what is wrong, or print all settings"),)
    command = add_command(commands, "check-config", later("serving", "check_config"), text, examples)
    _add_config(command)
    _add_address(command)


def _add_worker(commands: Any) -> None:
    text = "run the gateway's jobs, which come through a broker (docs/scaling.md)"
    examples = (("protes worker --config gateway.yaml --concurrency 16", "sixteen jobs at once"),)
    worker = add_command(commands, "worker", later("serving", "worker"), text, examples)
    _add_config(worker)
    worker.add_argument("--concurrency", type=int, metavar="N", help="jobs that run at once (runner.threads)")
    worker.add_argument("--data", metavar="DIR", help="folder of the embedded store (store.url)")
    worker.set_defaults(execute=True)


def _add_doctor(commands: Any) -> None:
    text = "check configuration, store, broker, instances, registries and the gateway, and say what to do"
    examples = (
        ("protes doctor --config gateway.yaml", "before and while it serves"),
        ("protes doctor --url https://tes.example.org", "a gateway elsewhere, as it answers"),
        ("protes doctor --config gateway.yaml --json", "for a monitor; exit code 1 where a check fails"),
    )
    doctor = add_command(commands, "doctor", later("doctor.command", "doctor"), text, examples)
    _add_config(doctor)
    doctor.add_argument("--data", metavar="DIR", help="folder of the embedded store (store.url)")
    doctor.add_argument("--url", metavar="URL", help="the gateway to look at (by default that of the configuration)")
    doctor.add_argument("--json", action="store_true", help="print JSON")


def _add_hash_password(commands: Any) -> None:
    examples = (("protes hash-password ann | tee -a users", "a line of auth.users_file; asks for the password"),)
    text = "hash a password for the file of users (auth.users_file)"
    command = add_command(commands, "hash-password", later("passwords", "print_line"), text, examples)
    command.add_argument("name", metavar="NAME", help="name of the user")
    command.add_argument("--tenant", metavar="NAME", help="the user's tenant")
    command.add_argument("--group", metavar="NAME", action="append", default=[], help="a group; may be repeated")
    text = "a role; may be repeated (user)"
    command.add_argument("--role", choices=("operator", "reader", "user"), action="append", default=[], help=text)


def _add_completion(commands: Any) -> None:
    text = "print a script that completes commands and options in a shell"
    examples = (
        ("source <(protes completion bash)", "in ~/.bashrc"),
        ("source <(protes completion zsh)", "in ~/.zshrc"),
        ("protes completion fish | source", "in ~/.config/fish/config.fish"),
    )
    command = add_command(commands, "completion", completion, text, examples)
    command.add_argument("shell", choices=SHELLS, help="which shell")

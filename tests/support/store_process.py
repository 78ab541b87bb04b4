"""Another process on a store's folder: `python -m tests.support.store_process COMMAND FOLDER`."""

import os
import resource
import sys
from collections.abc import Callable
from datetime import timedelta

from protes.store.factory import Stores, create_stores
from protes.store.protocols import StoreError, StoreUnavailable
from tests.support.task_records import START, a_task


def say(line: str) -> None:
    """Tell the test at once."""
    print(line, flush=True)


def create(stores: Stores) -> None:
    """Create tasks for ever; say the id of each when it is durable."""
    while True:
        say(stores.tasks.create(a_task(f"{os.getpid()}-{os.urandom(8).hex()}")).id)


def due(stores: Stores) -> None:
    """Take all that is due, a few at a time; say what was taken."""
    say("ready")
    sys.stdin.readline()
    while batch := stores.tasks.due(START, 3, START + timedelta(seconds=60)):
        for task_id in batch:
            say(task_id)


def full(stores: Stores) -> None:
    """Create tasks until files may not grow; say what was stored, and that it goes on when they may again."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        while True:
            record = a_task(f"task-{os.urandom(8).hex()}", document="x" * 20_000)
            stores.tasks.create(record)
            say(record.id)
    except StoreUnavailable:
        say("unavailable")
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    say(stores.tasks.create(a_task("afterwards")).id)


def fork(stores: Stores) -> None:
    """Use a store in a child that its parent opened; say what either sees."""
    stores.tasks.create(a_task("parents"))
    child = os.fork()
    if child == 0:
        try:
            stores.tasks.get("parents")
        except StoreError as error:
            say(str(error))
        try:
            stores.tasks.create(a_task("childs"))
        except StoreError as error:
            say(str(error))
        stores.close()
        os._exit(0)
    os.waitpid(child, 0)
    say(stores.tasks.create(a_task("after")).id)


def opened(stores: Stores) -> None:
    """Only open the store."""
    say("opened")


def main(command: str, folder: str) -> None:
    """Run a command on the store in a folder."""
    commands: dict[str, Callable[[Stores], None]] = {
        "create": create,
        "due": due,
        "fork": fork,
        "full": full,
        "open": opened,
    }
    stores = create_stores(folder)
    try:
        commands[command](stores)
    finally:
        stores.close()


if __name__ == "__main__":
    main(*sys.argv[1:])

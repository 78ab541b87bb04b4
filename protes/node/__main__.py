"""`python -m protes.node`: the same as `protes node`."""

import argparse
import sys

from protes.node.command import add_arguments, run


def main() -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(prog="protes node", description="Serve a small TES instance on this machine.")
    add_arguments(parser)
    return run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())

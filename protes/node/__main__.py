"""`python -m protes.node`."""

import argparse
import sys

from protes.node.command import add_arguments, run

parser = argparse.ArgumentParser(
    prog="python -m protes.node", description="A small TES server that runs commands on this machine, for trying out."
)
add_arguments(parser)
sys.exit(run(parser.parse_args()))

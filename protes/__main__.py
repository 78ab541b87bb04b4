"""`python -m protes` is the command `protes`."""

import sys

from protes.cli.main import main

sys.exit(main())

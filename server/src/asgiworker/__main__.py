"""`python -m asgiworker` is the command `asgiworker`."""

import sys

from asgiworker.process.cli import main

if __name__ == "__main__":
    sys.exit(main())

"""`python -m asgistar` is the command `asgistar`."""

from __future__ import annotations

import sys

from asgistar.cli import main

sys.exit(main())

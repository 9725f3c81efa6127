"""Part of the Autobahn testsuite, by the command that runs all of it: see scripts/autobahn."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CONFORMANCE = Path(__file__).parents[4] / "scripts" / "conformance.py"

# Sections 1 to 7 and 10 whole; of the thousands of compressed messages those that are small.
PARTS = {
    "framing, closing and UTF-8": "1.*,2.*,3.*,4.*,5.*,6.*,7.*,10.*",
    "large messages in small fragments": "9.3.[12],9.4.[12],9.5.1,9.6.1,9.7.[123],9.8.[123]",
    "compression": "12.[1-5].[13],12.1.11,13.[1-7].[13]",
}

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("cases", PARTS.values(), ids=PARTS.keys())
def test_the_cases_are_passed_strictly(cases: str) -> None:
    done = subprocess.run(
        [sys.executable, str(CONFORMANCE), "--cases", cases],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_can_fail() -> None:
    """A server that fails a case says so, and ends with an error."""
    done = subprocess.run(
        [sys.executable, str(CONFORMANCE), "--cases", "1.1.6,1.1.7", "--", "--ws-max-size", "65535"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "1.1.7: FAILED" in done.stdout

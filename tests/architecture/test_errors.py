"""One tree of errors: each has a code, stands in the drawing, the reference and the exit table."""

from __future__ import annotations

import ast
import inspect
import re

import pytest

from florilegium import errors
from florilegium.cli import exit_codes
from florilegium.errors import FlorilegiumError
from tests.conftest import ROOT

REFERENCE = ROOT / "docs" / "reference" / "errors.md"


def _subclasses(cls: type[FlorilegiumError]) -> list[type[FlorilegiumError]]:
    return [found for sub in cls.__subclasses__() for found in (sub, *_subclasses(sub))]


ERRORS = [cls for cls in _subclasses(FlorilegiumError) if cls.__module__.startswith("florilegium.")]
each_error = pytest.mark.parametrize("cls", ERRORS, ids=lambda cls: cls.__name__)


def _drawn() -> dict[str, str]:
    """Return the parent of each class in the drawing of the docstring."""
    parents: dict[str, str] = {}
    branch = ["FlorilegiumError"]
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"(?P<indent>[│├└─ ]+)(?P<name>\w+Error)\s{2,}\S", line)
        if found:
            depth = len(found["indent"]) // 4
            parents[found["name"]] = branch[depth - 1]
            branch[depth:] = [found["name"]]
    return parents


def test_the_drawing_is_the_tree() -> None:
    assert _drawn() == {cls.__name__: cls.__bases__[0].__name__ for cls in ERRORS}


def test_all_errors_live_in_one_module() -> None:
    assert {cls.__module__ for cls in ERRORS} == {"florilegium.errors"}


@each_error
def test_each_error_has_a_code_of_its_own(cls: type[FlorilegiumError]) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)+", cls.code)
    assert [other for other in ERRORS if other.code == cls.code] == [cls]


@each_error
def test_each_error_says_when_it_is_raised(cls: type[FlorilegiumError]) -> None:
    assert (cls.__doc__ or "").rstrip().endswith(".")
    assert cls.__doc__ != cls.__bases__[0].__doc__


@each_error
def test_each_error_only_stores_what_it_is_given(cls: type[FlorilegiumError]) -> None:
    error = cls("It broke.", hint="Mend it.")

    assert str(error) == error.message == "It broke."
    assert error.hint == "Mend it."
    assert "__init__" not in vars(cls)


@each_error
def test_each_error_is_in_the_reference(cls: type[FlorilegiumError]) -> None:
    page = REFERENCE.read_text(encoding="utf-8")

    assert f"`{cls.__name__}`" in page
    assert f"`{cls.code}`" in page


@each_error
def test_each_error_has_a_row_in_the_exit_table(cls: type[FlorilegiumError]) -> None:
    assert exit_codes.EXIT_CODES[cls] in {1, 2, 3}


def test_the_exit_table_holds_nothing_else() -> None:
    assert set(exit_codes.EXIT_CODES) - {FlorilegiumError} == set(ERRORS)


def test_the_base_is_never_raised_itself() -> None:
    raised = {
        f"{file.name}:{node.lineno}"
        for file in (ROOT / "src").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Raise)
        and isinstance(node.exc, ast.Call)
        and ast.unparse(node.exc.func).endswith("FlorilegiumError")
    }

    assert raised == set()


def test_the_core_knows_neither_exit_codes_nor_http() -> None:
    words = set(re.findall(r"\w+", inspect.getsource(errors).split('"""', 2)[2].lower()))

    assert words.isdisjoint({"exit", "http", "status"})

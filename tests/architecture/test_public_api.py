"""What users hold is what is listed, and data cannot be changed or built by position."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

import florilegium
from florilegium import config, config_fields
from tests.conftest import ROOT

SOURCE = ROOT / "src" / "florilegium"
FACADES = sorted(
    ".".join(file.parent.relative_to(SOURCE.parent).parts)
    for file in SOURCE.rglob("__init__.py")
    if "__all__" in file.read_text(encoding="utf-8")
)
REQUIRED = ("frozen", "kw_only", "slots")

# Dataclasses that may differ, each with its reason. This list only shrinks.
EXCEPTIONS: dict[str, str] = {}


def test_the_package_gives_type_checkers_and_programs_the_same_names() -> None:
    tree = ast.parse((SOURCE / "__init__.py").read_text(encoding="utf-8"))
    (branch,) = [node for node in tree.body if isinstance(node, ast.If)]
    imported = [node for node in branch.body if isinstance(node, ast.ImportFrom)]
    for_types = {(alias.name, node.module) for node in imported for alias in node.names}

    assert {name for name, _ in for_types} == set(florilegium.__all__)
    for name, module in for_types:
        assert module is not None
        assert getattr(florilegium, name) is getattr(importlib.import_module(module), name)


def test_a_name_that_the_package_lacks_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'florilegium' has no attribute 'Librari'"):
        _ = florilegium.Librari


@pytest.mark.parametrize("name", FACADES)
def test_all_is_free_of_repetition(name: str) -> None:
    listed = importlib.import_module(name).__all__

    assert len(listed) == len(set(listed))


def test_the_package_itself_lists_its_names() -> None:
    assert "florilegium" in FACADES


def test_the_names_of_the_design_are_there() -> None:
    assert {"Library", "Hit", "Item", "Answer", "Modality", "FlorilegiumError"} <= set(
        florilegium.__all__
    )


def test_every_error_can_be_imported_from_the_top() -> None:
    errors = importlib.import_module("florilegium.errors")
    names = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, errors.FlorilegiumError)
    }

    assert names <= set(florilegium.__all__)


def _dataclasses(file: Path) -> Iterator[tuple[str, dict[str, bool]]]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ClassDef) or node.name.startswith("_"):
            continue
        for decorator in node.decorator_list:
            call = decorator.func if isinstance(decorator, ast.Call) else decorator
            if ast.unparse(call) in {"dataclass", "dataclasses.dataclass"}:
                keywords = decorator.keywords if isinstance(decorator, ast.Call) else []
                yield (
                    node.name,
                    {
                        keyword.arg: ast.literal_eval(keyword.value)
                        for keyword in keywords
                        if keyword.arg
                    },
                )


def test_public_dataclasses_are_frozen_and_keyword_only_and_slotted() -> None:
    loose = {
        f"{file.relative_to(SOURCE).as_posix()}:{name}"
        for file in SOURCE.rglob("*.py")
        for name, options in _dataclasses(file)
        if not all(options.get(option) is True for option in REQUIRED)
    }

    assert loose == set(EXCEPTIONS)


@pytest.mark.parametrize(
    "decorator",
    ["@dataclass", "@dataclass()", "@dataclass(frozen=True, slots=True)",
     "@dataclasses.dataclass(frozen=True, kw_only=True, slots=False)"],
)  # fmt: skip
def test_a_loose_dataclass_would_be_found(tmp_path: Path, decorator: str) -> None:
    file = tmp_path / "loose.py"
    file.write_text(f"{decorator}\nclass Loose:\n    x: int\n", encoding="utf-8")

    [(name, options)] = _dataclasses(file)

    assert name == "Loose"
    assert not all(options.get(option) is True for option in REQUIRED)


def test_exported_data_cannot_be_changed_or_built_by_position() -> None:
    exported = [getattr(florilegium, name) for name in florilegium.__all__]
    data = [value for value in exported if dataclasses.is_dataclass(value)]

    assert len(data) > 10
    for cls in data:
        assert vars(cls)["__dataclass_params__"].frozen, cls
        assert all(field.kw_only for field in dataclasses.fields(cls) if field.init), cls


def test_settings_are_frozen_and_refuse_unknown_keys() -> None:
    sections = [
        value
        for name, value in vars(config).items()
        if inspect.isclass(value) and issubclass(value, BaseModel) and name.endswith("Config")
    ]

    assert len(sections) > 5
    for section in sections:
        assert section.model_config.get("frozen") is True, section
        assert section.model_config.get("extra") == "forbid", section


def test_every_setting_has_a_description_and_every_number_a_bound() -> None:
    for key, _, _, description in config_fields.describe_fields():
        assert description.endswith("."), key
    for section in config.Config.model_fields.values():
        kind = section.annotation
        if not (inspect.isclass(kind) and issubclass(kind, BaseModel)):
            continue
        for name, field in kind.model_fields.items():
            if field.annotation in {int, float}:
                bounds = {type(rule).__name__ for rule in field.metadata}
                assert bounds & {"Ge", "Gt"}, name
                assert bounds & {"Le", "Lt"}, name


def test_the_package_says_that_it_is_typed() -> None:
    assert (SOURCE / "py.typed").is_file()

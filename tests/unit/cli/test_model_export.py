from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner, Result

from florilegium.cli.app import app
from florilegium.cli.model_export import EXPORTER, export_name
from florilegium.encoders.onnx_clip.record import ModelRecord
from florilegium.errors import ConfigError
from florilegium.types import Precision
from tests.unit.installed import install

Run = Callable[..., Result]
Call = tuple[str, Path, tuple[Precision, ...], Path | None]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Call]:
    """Put an exporter in place of the real one, which needs PyTorch; return what it is asked."""
    calls: list[Call] = []

    def export_model(
        source: str,
        target: Path,
        *,
        precisions: Sequence[Precision],
        pictures: Path | None,
        say: Callable[[str], None],
    ) -> ModelRecord:
        calls.append((source, target, tuple(precisions), pictures))
        say("int8 drifts")
        return install(target.parent, target.name)

    module = ModuleType(EXPORTER)
    module.export_model = export_model  # type: ignore[attr-defined]  # made here
    monkeypatch.setitem(sys.modules, EXPORTER, module)
    monkeypatch.setenv("FLORILEGIUM_MODELS_FOLDER", str(tmp_path / "models"))
    return calls


@pytest.fixture
def run() -> Run:
    """Return what runs `florilegium models export` with some arguments."""

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["models", "export", *arguments])

    return run


def test_an_export_becomes_an_installed_model(run: Run, calls: list[Call], tmp_path: Path) -> None:
    result = run("open_clip:ViT-B-32/laion2b_s34b_b79k")

    folder = tmp_path / "models" / "ViT-B-32--laion2b_s34b_b79k"
    assert result.exit_code == 0
    assert result.stdout == 'encoder.name = "onnx_clip:ViT-B-32--laion2b_s34b_b79k"\n'
    assert "int8 drifts" in result.stderr
    assert calls == [("open_clip:ViT-B-32/laion2b_s34b_b79k", folder, ("fp32",), None)]


def test_an_export_goes_where_it_is_told(run: Run, calls: list[Call], tmp_path: Path) -> None:
    target = tmp_path / "new" / "mine"

    result = run(
        "./checkpoint", str(target), "--precision", "fp32", "--precision", "int8",
        "--pictures", str(tmp_path), "--json",
    )  # fmt: skip

    data = json.loads(result.stdout)
    assert calls == [("./checkpoint", target, ("fp32", "int8"), tmp_path)]
    assert data["encoder"] == f"onnx_clip:{target}"
    assert data["folder"] == str(target)


def test_a_folder_that_exists_is_not_written_to(
    run: Run, calls: list[Call], tmp_path: Path
) -> None:
    result = run("open_clip:ViT-B-32", str(tmp_path))

    assert result.exit_code == 2
    assert "exists" in result.stderr
    assert calls == []


def test_an_unknown_precision_is_refused_before_anything_is_loaded(
    run: Run, calls: list[Call]
) -> None:
    result = run("open_clip:ViT-B-32", "--precision", "bf16")

    assert result.exit_code == 2
    assert "'bf16' is none of fp32, fp16, int8" in result.stderr
    assert calls == []


def test_a_package_that_is_missing_is_named(
    run: Run, calls: list[Call], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, EXPORTER, None)

    result = run("open_clip:ViT-B-32", "--json")

    assert result.exit_code == 2
    assert json.loads(result.stderr)["error"]["code"] == "extra_missing"


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("open_clip:ViT-B-32/laion2b_s34b_b79k", "ViT-B-32--laion2b_s34b_b79k"),
        ("openai/clip-vit-base-patch32", "openai--clip-vit-base-patch32"),
        ("./my model/", "my--model"),
        ("/data/clip", "data--clip"),
    ],
)
def test_a_source_gives_the_folder_its_name(source: str, name: str) -> None:
    assert export_name(source) == name


@pytest.mark.parametrize("source", ["", "open_clip:", "///", ".."])
def test_a_source_without_a_name_needs_a_target(source: str) -> None:
    with pytest.raises(ConfigError, match="No name can be made"):
        export_name(source)

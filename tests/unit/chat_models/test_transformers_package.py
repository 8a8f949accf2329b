"""What `transformers` says where its packages are absent or do not fit together. Needs none."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import pytest

from florilegium.errors import MissingExtraError

MODULES = ("package", "facts", "dialogue", "loading", "generation", "chat_model")
THIRD_PARTIES = ("torch", "transformers", "jinja2", "safetensors")
SOURCE = """
TemplateError = SafetensorError = ValueError
AutoModelForImageTextToText = AutoProcessor = None
"""


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what of the chat model was imported before, and afterwards what a test imports."""
    ours = [f"florilegium.chat_models.transformers.{name}" for name in MODULES]
    for name in (*ours, *THIRD_PARTIES):
        monkeypatch.setitem(sys.modules, name, None)  # so that its absence is restored too
        monkeypatch.delitem(sys.modules, name)


@pytest.mark.parametrize("missing", THIRD_PARTIES)
def test_without_a_package_the_error_names_it_and_the_extra(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, missing: str
) -> None:
    for name in THIRD_PARTIES:
        (tmp_path / f"{name}.py").write_text(SOURCE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, missing, None)  # as if it were not installed

    with pytest.raises(MissingExtraError, match=missing) as caught:
        import_module("florilegium.chat_models.transformers.chat_model")

    assert "pip install 'florilegium[vlm]'" in (caught.value.hint or "")


def test_packages_that_do_not_fit_together_are_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # As transformers, which imports torchvision if there is one, hides why that fails.
    reason = "operator torchvision::nms does not exist"
    for name in THIRD_PARTIES:
        (tmp_path / f"{name}.py").write_text(SOURCE, encoding="utf-8")
    (tmp_path / "transformers.py").write_text(
        "def __getattr__(name):\n"
        "    if name.startswith('__'):\n"
        "        raise AttributeError(name)\n"
        f"    raise ModuleNotFoundError('Are they defined?') from RuntimeError({reason!r})\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(MissingExtraError, match=reason) as caught:
        import_module("florilegium.chat_models.transformers.package")

    assert "from the same place" in (caught.value.hint or "")


def test_where_a_model_runs_can_be_known_without_the_packages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in THIRD_PARTIES:
        monkeypatch.setitem(sys.modules, name, None)
    device = "florilegium.chat_models.transformers.device"
    monkeypatch.delitem(sys.modules, device, raising=False)

    assert import_module(device).Way(device="cpu", precision="fp32") is not None

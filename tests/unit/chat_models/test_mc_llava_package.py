"""What `mc_llava` says where its packages are absent or do not fit together. Needs none."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import pytest

from florilegium.config import ChatConfig
from florilegium.errors import MissingExtraError
from florilegium.registry import open_chat_model

MODULES = ("package", "network", "checkpoint", "runner", "chat_model")
THIRD_PARTIES = ("torch", "safetensors", "transformers")


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what of the chat model was imported before, and afterwards what a test imports."""
    ours = [f"florilegium.chat_models.mc_llava.{name}" for name in MODULES]
    for name in (*ours, *THIRD_PARTIES):
        monkeypatch.setitem(sys.modules, name, None)  # so that its absence is restored too
        monkeypatch.delitem(sys.modules, name)


@pytest.mark.parametrize("missing", THIRD_PARTIES)
def test_without_a_package_the_error_names_it_and_the_extra(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, missing: str
) -> None:
    for name in THIRD_PARTIES:
        (tmp_path / f"{name}.py").write_text("Tensor = nn = 1\n", encoding="utf-8")
    (tmp_path / "safetensors.py").write_text("SafetensorError = safe_open = 1\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, missing, None)  # as if it were not installed

    with pytest.raises(MissingExtraError, match=missing) as caught:
        open_chat_model("mc_llava:anything", config=ChatConfig(), texts=None, cache_folder=tmp_path)

    assert "pip install 'florilegium[vlm]'" in (caught.value.hint or "")


def test_packages_that_do_not_fit_together_are_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # As torchvision, which transformers imports, fails beside a PyTorch of another build.
    reason = "operator torchvision::nms does not exist"
    (tmp_path / "torch.py").write_text(f"raise RuntimeError({reason!r})\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(MissingExtraError, match=reason) as caught:
        import_module("florilegium.chat_models.mc_llava.package")

    assert "from the same place" in (caught.value.hint or "")


def test_what_can_be_known_without_the_packages_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in THIRD_PARTIES:
        monkeypatch.setitem(sys.modules, name, None)
    for module in ("crops", "device", "layout", "words"):
        name = f"florilegium.chat_models.mc_llava.{module}"
        monkeypatch.delitem(sys.modules, name, raising=False)
        import_module(name)

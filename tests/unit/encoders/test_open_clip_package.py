"""What `open_clip` says where its packages are absent or do not fit together. Needs none."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import pytest

from florilegium.errors import MissingExtraError

MODULES = ("package", "facts", "towers", "encoder")
THIRD_PARTIES = ("open_clip", "torch", "safetensors")


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what of the encoder was imported before, and afterwards what a test imports."""
    ours = [f"florilegium.encoders.open_clip.{name}" for name in MODULES]
    for name in (*ours, *THIRD_PARTIES):
        monkeypatch.setitem(sys.modules, name, None)  # so that its absence is restored too
        monkeypatch.delitem(sys.modules, name)


@pytest.mark.parametrize("missing", THIRD_PARTIES)
def test_without_a_package_the_error_names_it_and_the_extra(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, missing: str
) -> None:
    for name in THIRD_PARTIES:
        (tmp_path / f"{name}.py").write_text("SafetensorError = ValueError\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, missing, None)  # as if it were not installed

    with pytest.raises(MissingExtraError, match=missing) as caught:
        import_module("florilegium.encoders.open_clip.encoder")

    assert "pip install 'florilegium[clip]'" in (caught.value.hint or "")
    assert "docs/how-to/use-clip.md" in (caught.value.hint or "")


def test_packages_that_do_not_fit_together_are_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # As torchvision, which open_clip imports, fails beside a PyTorch that it was not built for.
    reason = "operator torchvision::nms does not exist"
    (tmp_path / "open_clip.py").write_text(f"raise RuntimeError({reason!r})\n", encoding="utf-8")
    for name in ("torch", "safetensors"):
        (tmp_path / f"{name}.py").write_text("SafetensorError = ValueError\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(MissingExtraError, match=f"do not fit together: {reason}") as caught:
        import_module("florilegium.encoders.open_clip.package")

    assert "from the same place" in (caught.value.hint or "")
    assert "docs/how-to/use-clip.md" in (caught.value.hint or "")


def test_what_can_be_known_without_the_packages_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in THIRD_PARTIES:
        monkeypatch.setitem(sys.modules, name, None)
    for module in ("naming", "device", "tokens"):
        monkeypatch.delitem(sys.modules, f"florilegium.encoders.open_clip.{module}", raising=False)
        import_module(f"florilegium.encoders.open_clip.{module}")

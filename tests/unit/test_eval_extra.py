"""The packages of the extra `eval` are there, or an error says how to get them."""

from __future__ import annotations

import json
import sys

import pytest

from florilegium.errors import MissingExtraError
from florilegium.eval_extra import need


def test_a_package_that_is_there_is_returned() -> None:
    assert need("json") is json


def test_a_package_that_is_not_there_is_named_with_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "ir_measures", None)

    with pytest.raises(MissingExtraError, match="ir_measures") as caught:
        need("ir_measures")

    assert "florilegium[eval]" in str(caught.value.hint)

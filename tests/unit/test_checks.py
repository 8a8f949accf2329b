"""A check says what it found, and an error of ours is a finding."""

from __future__ import annotations

import pytest

from florilegium.checks import Check, attempt, try_encoder
from florilegium.errors import WeightsNotFoundError
from florilegium.testing.encoder import FakeEncoder
from florilegium.types import Modality


def test_what_works_is_described() -> None:
    encoder = FakeEncoder(dim=32)

    check = attempt("encoder", lambda: try_encoder(encoder))

    assert check == Check(name="encoder", ok=True, message="fake:32, 32 dimensions")
    assert encoder.calls == {Modality.IMAGE: 1, Modality.TEXT: 1}


def test_an_encoder_that_has_chosen_an_engine_says_which() -> None:
    class TunedEncoder(FakeEncoder):
        def describe_engines(self) -> str:
            return "vision: openvino bf16, 2 streams: 101 pictures/s"

    found = try_encoder(TunedEncoder(dim=32))

    assert found == "fake:32, 32 dimensions; vision: openvino bf16, 2 streams: 101 pictures/s"


def test_an_error_of_ours_is_a_finding_with_its_hint() -> None:
    def fail() -> str:
        raise WeightsNotFoundError("No weights.", hint="Install them.")

    check = attempt("encoder", fail)

    assert (check.ok, check.message, check.hint) == (False, "No weights.", "Install them.")


def test_a_defect_is_not_hidden_as_a_finding() -> None:
    def fail() -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        attempt("encoder", fail)

from __future__ import annotations

from pathlib import Path

import pytest

from florilegium.encoders.open_clip.naming import DEFAULT_MODEL, ModelName, parse_model
from florilegium.errors import UnknownBackendError


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("ViT-B-16/openai", ModelName(architecture="ViT-B-16", tag="openai")),
        ("ViT-B/16/openai", ModelName(architecture="ViT-B-16", tag="openai")),
        (" ViT-B-32/laion2B-s34B-b79K ",
         ModelName(architecture="ViT-B-32", tag="laion2b_s34b_b79k")),
        ("ViT-B-32", ModelName(architecture="ViT-B-32")),
        ("ViT-B-32:/data/mine.pt",
         ModelName(architecture="ViT-B-32", checkpoint=Path("/data/mine.pt"))),
        ("ViT-B-32:C:/data/mine.bin",
         ModelName(architecture="ViT-B-32", checkpoint=Path("C:/data/mine.bin"))),
        ("ViT-L-14/openai: my model.safetensors",
         ModelName(architecture="ViT-L-14", tag="openai", checkpoint=Path("my model.safetensors"))),
    ],
)  # fmt: skip
def test_a_model_is_an_architecture_with_a_tag_or_a_checkpoint(model: str, name: ModelName) -> None:
    assert parse_model(model) == name


@pytest.mark.parametrize("model", ["", "  "])
def test_nothing_means_the_model_of_the_article(model: str) -> None:
    assert parse_model(model) == parse_model(DEFAULT_MODEL)
    assert DEFAULT_MODEL == "ViT-B-32/laion2b_s34b_b79k"


@pytest.mark.parametrize("model", [":", "/", "/openai", "ViT-B-32/", "ViT-B-32:", ":/data/mine.pt"])
def test_a_name_with_a_part_missing_is_refused(model: str) -> None:
    with pytest.raises(UnknownBackendError, match="cannot tell which model") as caught:
        parse_model(model)

    assert repr(model) in caught.value.message
    assert "open_clip:NAME/TAG" in (caught.value.hint or "")


def test_the_home_folder_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/rose")

    assert parse_model("ViT-B-32:~/mine.pt").checkpoint == Path("/home/rose/mine.pt")
    assert parse_model("ViT-B-32:~nobody-at-all/x").checkpoint == Path("~nobody-at-all/x")


@pytest.mark.parametrize(
    ("model", "id_"),
    [
        ("ViT-B-16/openai", "open_clip:ViT-B-16/openai"),
        ("ViT-B-16:/data/mine.pt", "open_clip:ViT-B-16:mine.pt"),
        ("ViT-B-16/openai:/data/mine.pt", "open_clip:ViT-B-16/openai:mine.pt"),
    ],
)
def test_the_id_says_what_was_asked_for_without_folders(model: str, id_: str) -> None:
    assert parse_model(model).id == id_


@pytest.mark.parametrize(
    ("model", "languages"),
    [
        ("ViT-B-32/laion2b_s34b_b79k", {"en"}),
        ("ViT-B-16-SigLIP/webli", {"en"}),
        ("ViT-B-16-SigLIP2-256/webli", None),
        ("ViT-B-16-SigLIP-i18n-256/webli", None),
        ("xlm-roberta-base-ViT-B-32/laion5b_s13b_b90k", None),
        ("nllb-clip-base/v1", None),
        ("ViT-H-14-worldwide/metaclip2_worldwide", None),
    ],
)
def test_architectures_for_many_languages_are_told_by_their_names(
    model: str, languages: set[str] | None
) -> None:
    assert parse_model(model).languages == languages

"""Tiny models of transformers, exported from folders laid out as on the hub, give its rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from florilegium.config import EncoderConfig
from florilegium.encoders.onnx_clip.encoder import OnnxClipEncoder
from florilegium.encoders.onnx_clip.record import ModelRecord
from florilegium.encoders.onnx_clip.tokens import TextReader
from florilegium.errors import EncoderError, WeightsNotFoundError

pytestmark = pytest.mark.torch

SIDE = 32
POSITIONS = 64
LONG = "Two cats sleep on a red sofa, since noon it's said!"
TEXTS = ("a red rose", "", " ", "x", LONG, "Füße, 茶 & 42 tulips")
_TOWER = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
_VISION = {**_TOWER, "image_size": SIDE, "patch_size": 8}
# The pad, the end and the unknown token of SigLIP's vocabulary.
_SPECIAL = ("<pad>", "</s>", "<unk>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """A model of transformers, and the folder that was made of it."""

    original: Path
    folder: Path
    record: ModelRecord

    def tokenizer(self) -> Any:
        import transformers

        return transformers.PreTrainedTokenizerFast.from_pretrained(str(self.original))

    def processor(self) -> Any:
        import transformers

        return transformers.AutoImageProcessor.from_pretrained(str(self.original), backend="pil")

    def answer(self, pictures: list[Image.Image], texts: list[str]) -> tuple[Any, Any]:
        """Return the rows of pictures and texts that the model of transformers gives."""
        import torch
        import transformers

        model = transformers.AutoModel.from_pretrained(str(self.original)).eval()
        tokens = self.tokenizer()(
            texts, padding="max_length", max_length=POSITIONS, return_tensors="pt"
        )
        pixels = self.processor()(images=pictures, return_tensors="pt")["pixel_values"]
        with torch.inference_mode():
            found = model(input_ids=tokens["input_ids"], pixel_values=pixels)
        return found.image_embeds.numpy(), found.text_embeds.numpy()

    def encoder(self) -> OnnxClipEncoder:
        config = EncoderConfig(engine="onnxruntime", precision="fp32", batch_size=4)
        return OnnxClipEncoder(self.folder, config=config, cache_folder=self.folder / "cache")


def write_clip(folder: Path, *, end_in_config: int | None = None) -> None:
    """Write a CLIP as on the hub, whose padding is its end-of-text token."""
    import torch
    import transformers
    from tokenizers import pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*alphabet, *(f"{each}</w>" for each in alphabet), "re", "red</w>"]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    start, end = len(tokens) - 2, len(tokens) - 1
    transformers.CLIPTokenizerFast(
        vocab={token: number for number, token in enumerate(tokens)},
        merges=[("r", "e"), ("re", "d</w>")],
        model_max_length=POSITIONS,
    ).save_pretrained(str(folder))
    texts = {
        **_TOWER,
        "vocab_size": len(tokens),
        "max_position_embeddings": POSITIONS,
        "bos_token_id": start,
        "eos_token_id": end if end_in_config is None else end_in_config,
        "pad_token_id": end,
    }
    config = transformers.CLIPConfig(projection_dim=24, text_config=texts, vision_config=_VISION)
    torch.manual_seed(1)
    transformers.CLIPModel(config).save_pretrained(str(folder))
    transformers.CLIPImageProcessor(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}
    ).save_pretrained(str(folder))


def write_siglip(folder: Path, *, second: bool = False) -> None:
    """Write a SigLIP as on the hub; one of the second generation has the tokenizer of Gemma."""
    import torch
    import transformers

    _siglip_tokenizer(second=second).save_pretrained(str(folder))
    texts = {
        **_TOWER,
        "vocab_size": 300,
        "max_position_embeddings": POSITIONS,
        "projection_size": 32,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 0,
    }
    config = transformers.SiglipConfig(text_config=texts, vision_config=_VISION)
    torch.manual_seed(1)
    transformers.SiglipModel(config).save_pretrained(str(folder))
    transformers.SiglipImageProcessor(size={"height": SIDE, "width": SIDE}).save_pretrained(
        str(folder)
    )


def _siglip_tokenizer(*, second: bool) -> Any:
    import transformers
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate((*_SPECIAL, *alphabet))}
    if second:
        return transformers.Siglip2Tokenizer(
            vocab={"<pad>": 0, "<eos>": 1, "<bos>": 2, "<unk>": 3, "<mask>": 4}
            | {chr(each): each for each in range(32, 127)}
            | {"▁": 5},
            model_max_length=POSITIONS,
        )
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Lowercase(),
            normalizers.Replace(Regex(r"[!-/:-@\[-`{-~]"), ""),
            normalizers.Replace(Regex(r"\s+"), " "),
            normalizers.Strip(),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.add_special_tokens(list(_SPECIAL))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="</s>",
        pad_token="</s>",
        unk_token="<unk>",
        model_max_length=POSITIONS,
    )


def rename_tokenizer(folder: Path, old: str, new: str) -> None:
    """Give the tokenizer of a folder another class."""
    file = folder / "tokenizer_config.json"
    said = file.read_text(encoding="utf-8")
    assert f'"{old}"' in said
    file.write_text(said.replace(f'"{old}"', f'"{new}"'), encoding="utf-8")


def export(original: Path, target: Path) -> Exported:
    from florilegium.exporting.export import export_model

    said: list[str] = []
    record = export_model(
        str(original), target, precisions=["fp32"], pictures=None, say=said.append
    )
    assert said[0] == f"loading {original}"
    return Exported(original=original, folder=target, record=record)


@pytest.fixture(scope="module")
def clip_of_transformers(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    folder = tmp_path_factory.mktemp("hub-clip")
    write_clip(folder / "original")
    return export(folder / "original", folder / "exported")


@pytest.fixture(scope="module")
def siglip_of_transformers(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    folder = tmp_path_factory.mktemp("hub-siglip")
    write_siglip(folder / "original")
    return export(folder / "original", folder / "exported")


@pytest.fixture(params=["clip_of_transformers", "siglip_of_transformers"])
def exported(request: pytest.FixtureRequest) -> Exported:
    found: Exported = request.getfixturevalue(request.param)
    return found


def photos() -> list[Image.Image]:
    noise = np.random.default_rng(0)
    sizes = ((64, 48), (31, 90), (300, 200), (32, 32), (33, 57))
    return [
        Image.fromarray(noise.integers(0, 256, (height, width, 3), dtype=np.uint8))
        for width, height in sizes
    ]


def cosines(
    rows: npt.NDArray[np.float32], others: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(others, axis=1)
    found: npt.NDArray[np.float32] = (rows * others).sum(axis=1) / lengths
    return found


def test_rows_are_those_that_transformers_gives(exported: Exported) -> None:
    pictures, texts = exported.answer(photos(), list(TEXTS))

    encoder = exported.encoder()
    found = encoder.encode_images(photos()), encoder.encode_texts(TEXTS, purpose="query")
    encoder.close()

    assert (cosines(found[0], pictures) > 0.9999).all()
    assert (cosines(found[1], texts) > 0.9999).all()
    # A random model must tell its inputs apart for this to mean anything.
    assert cosines(texts[:1], texts[4:5])[0] < 0.999


def test_pixels_are_those_of_the_image_processor(exported: Exported) -> None:
    theirs = exported.processor()

    for photo in photos():
        expected = theirs(images=[photo], return_tensors="np")["pixel_values"]
        found = exported.record.preprocessing.to_pixels([photo])
        std = np.asarray(exported.record.preprocessing.std)[:, None, None]
        assert found.shape == expected.shape == (1, 3, SIDE, SIDE)
        assert (np.abs(found - expected) * std).max() <= 1 / 255 + 1e-6


def test_tokens_are_those_of_the_tokenizer(exported: Exported) -> None:
    theirs = exported.tokenizer()
    file = exported.folder / "tokenizer.json"
    reader = TextReader(file.read_text(encoding="utf-8"), exported.record.text)

    for text in TEXTS:
        assert list(reader.windows([text])[0][0]) == theirs(text)["input_ids"]


def test_only_a_causal_text_tower_is_given_less_than_all_positions(
    clip_of_transformers: Exported, siglip_of_transformers: Exported
) -> None:
    assert clip_of_transformers.record.text.fixed_length is False
    assert siglip_of_transformers.record.text.fixed_length is True
    assert siglip_of_transformers.record.text.max_tokens == POSITIONS


def test_the_record_says_where_the_model_came_from(exported: Exported) -> None:
    import transformers

    assert exported.record.origin["source"] == "original"  # no path of somebody's home
    assert exported.record.origin["transformers"] == transformers.__version__
    assert exported.record.family in {"clip", "siglip"}
    assert exported.record.languages is None


def test_a_clip_with_the_wrong_end_of_a_text_in_its_configuration_is_exported(
    tmp_path: Path,
) -> None:
    # As OpenAI's own have it; transformers then looks for the largest number.
    write_clip(tmp_path / "original", end_in_config=2)

    exported = export(tmp_path / "original", tmp_path / "exported")

    _, texts = exported.answer(photos(), list(TEXTS))
    encoder = exported.encoder()
    assert (cosines(encoder.encode_texts(TEXTS, purpose="query"), texts) > 0.9999).all()
    encoder.close()
    assert exported.record.text.fixed_length is False


def test_a_slow_tokenizer_is_written_as_the_fast_one_beside_it(tmp_path: Path) -> None:
    # As SigLIP's repositories name it; it needs a package, and writes no `tokenizer.json`.
    write_siglip(tmp_path / "original")
    rename_tokenizer(tmp_path / "original", "TokenizersBackend", "SiglipTokenizer")

    exported = export(tmp_path / "original", tmp_path / "exported")

    assert exported.record.text.canonical
    assert exported.record.text.pad_id == 1


@pytest.mark.parametrize("kind", ["Siglip2Tokenizer", "GemmaTokenizer"])
def test_the_second_generation_keeps_punctuation_and_its_padding(tmp_path: Path, kind: str) -> None:
    write_siglip(tmp_path / "original", second=True)
    rename_tokenizer(tmp_path / "original", "Siglip2Tokenizer", kind)

    exported = export(tmp_path / "original", tmp_path / "exported")

    rules = exported.record.text
    assert (rules.pad_left, rules.pad_id) == (True, 0)
    assert (rules.lowercase, rules.canonical) == (True, False)
    encoder = exported.encoder()
    upper, lower, marked = encoder.encode_texts(["A ROSE", "a rose", "a rose!"], purpose="query")
    encoder.close()
    np.testing.assert_allclose(upper, lower, atol=1e-5)
    assert not np.allclose(marked, lower, atol=1e-3)


def test_a_model_of_another_family_is_refused(tmp_path: Path) -> None:
    import transformers

    from florilegium.exporting.export import export_model

    transformers.BertConfig(hidden_size=32, num_hidden_layers=1).save_pretrained(
        str(tmp_path / "bert")
    )

    with pytest.raises(EncoderError, match="is of the type 'bert', but one of clip, siglip"):
        export_model(
            str(tmp_path / "bert"),
            tmp_path / "exported",
            precisions=["fp32"],
            pictures=None,
            say=lambda _: None,
        )

    assert not (tmp_path / "exported").exists()


def test_pictures_of_variable_size_are_refused(tmp_path: Path) -> None:
    import transformers

    from florilegium.exporting.transformers_source import open_transformers

    transformers.Siglip2Config().save_pretrained(str(tmp_path))

    with pytest.raises(EncoderError, match="NaFlex"):
        open_transformers(str(tmp_path))


@pytest.mark.parametrize("inside", ["nowhere", "empty"])
def test_a_folder_without_a_model_is_told(tmp_path: Path, inside: str) -> None:
    from florilegium.exporting.transformers_source import open_transformers

    (tmp_path / "empty").mkdir()

    with pytest.raises(WeightsNotFoundError, match=f"{inside}' cannot be loaded by transformers"):
        open_transformers(str(tmp_path / inside))


def test_a_model_without_weights_is_told(tmp_path: Path) -> None:
    from florilegium.exporting.transformers_source import open_transformers

    write_clip(tmp_path)
    (tmp_path / "model.safetensors").unlink()

    with pytest.raises(WeightsNotFoundError, match="cannot be loaded by transformers"):
        open_transformers(str(tmp_path))


def test_weights_that_are_missing_are_not_made_up(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    from florilegium.exporting.transformers_source import open_transformers

    write_clip(tmp_path / "clip")
    file = tmp_path / "clip" / "model.safetensors"
    weights = load_file(file)
    del weights["visual_projection.weight"]
    save_file(weights, file, metadata={"format": "pt"})

    with pytest.raises(WeightsNotFoundError, match=r"visual_projection\.weight"):
        open_transformers(str(tmp_path / "clip"))

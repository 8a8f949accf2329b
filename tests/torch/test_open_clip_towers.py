"""Weights of OpenCLIP's models are loaded whole or refused, and texts are read as far as needed."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from florilegium.encoders.open_clip.device import Way
from florilegium.encoders.open_clip.naming import parse_model
from florilegium.errors import EncoderError, WeightsNotFoundError
from tests.torch.tiny_open_clip import TinyModel

if TYPE_CHECKING:
    # Needs PyTorch, which the tests that are not marked `torch` do without.
    from florilegium.encoders.open_clip.towers import Towers

pytestmark = pytest.mark.torch

CPU = Way(device="cpu", precision="fp32")


def load(model: str, way: Way = CPU) -> Towers:
    from florilegium.encoders.open_clip.facts import find_model
    from florilegium.encoders.open_clip.towers import load_towers

    return load_towers(find_model(parse_model(model)), way)


def pixels(count: int = 2) -> np.ndarray[Any, np.dtype[np.float32]]:
    noise = np.random.default_rng(0).standard_normal((count, 3, 32, 32))
    return noise.astype(np.float32)


@pytest.mark.parametrize("suffix", [".pt", ".bin", ".safetensors"])
def test_a_checkpoint_gives_the_rows_of_its_weights(
    clip: TinyModel, tmp_path: Path, suffix: str
) -> None:
    import torch
    from safetensors.torch import save_file

    state = torch.load(clip.checkpoint, weights_only=True)["state_dict"]
    file = tmp_path / f"copy{suffix}"
    if suffix == ".safetensors":
        save_file({name: tensor.clone() for name, tensor in state.items()}, file)
    else:
        torch.save(state, file)

    rows = load(f"{clip.architecture}:{file}").pictures(pixels())

    np.testing.assert_array_equal(rows, load(clip.tagged).pictures(pixels()))
    assert rows.shape == (2, 32)
    assert rows.dtype == np.float32


def test_a_loaded_model_is_not_in_training(clip: TinyModel) -> None:
    model = load(clip.tagged)._model

    assert not any(module.training for module in model.modules())


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_shorter_batch_of_a_causal_tower_gives_the_same_rows(
    clip: TinyModel, precision: Any
) -> None:
    towers = load(clip.tagged, Way(device="cpu", precision=precision))
    ids = np.zeros((3, 77), dtype=np.int64)
    for row, length in enumerate((2, 9, 20)):
        ids[row, :length] = [49406, *range(320, 318 + length), 49407]

    short, full = towers.texts(ids[:, :20]), towers.texts(ids)

    short, full = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (short, full))
    np.testing.assert_allclose(short, full, atol=1e-5 if precision == "fp32" else 1e-2)


def test_a_shorter_batch_also_suits_a_tower_of_its_own_class(
    clip: TinyModel, tmp_path: Path
) -> None:
    import open_clip
    import torch

    config = open_clip.get_model_config(clip.architecture) | {"custom_text": True}
    for name, proj in (("tiny-custom", "linear"), ("tiny-bias", "linear"), ("tiny-none", "none")):
        texts = {**config["text_cfg"], "proj_type": proj, "proj_bias": name == "tiny-bias"}
        file = tmp_path / f"{name}.json"
        file.write_text(json.dumps(config | {"text_cfg": texts}), encoding="utf-8")
        open_clip.add_model_config(file)
        torch.save(open_clip.create_model(name).state_dict(), tmp_path / f"{name}.pt")
        towers = load(f"{name}:{tmp_path / name}.pt")
        ids = np.zeros((1, 77), dtype=np.int64)
        ids[0, :4] = [49406, 320, 321, 49407]

        np.testing.assert_allclose(towers.texts(ids[:, :4]), towers.texts(ids), atol=1e-5)


def test_a_file_that_was_cut_off_is_refused(clip: TinyModel, tmp_path: Path) -> None:
    file = tmp_path / "half.pt"
    data = clip.checkpoint.read_bytes()
    file.write_bytes(data[: len(data) // 2])

    with pytest.raises(WeightsNotFoundError, match="cannot be loaded from") as caught:
        load(f"{clip.architecture}:{file}")

    assert str(file) in caught.value.message
    assert "cut off" in (caught.value.hint or "")


@pytest.mark.parametrize("name", ["empty.pt", "text.pt", "text.safetensors", "list.pt", "none.pt"])
def test_a_file_that_holds_no_weights_is_refused(
    clip: TinyModel, tmp_path: Path, name: str
) -> None:
    import torch

    file = tmp_path / name
    if name.startswith("empty"):
        file.write_bytes(b"")
    elif name.startswith("text"):
        file.write_text("These are not the weights you are looking for.", encoding="utf-8")
    else:
        torch.save([1, 2, 3] if name.startswith("list") else {}, file)

    with pytest.raises(WeightsNotFoundError, match="cannot be loaded from"):
        load(f"{clip.architecture}:{file}")


class Burglar:
    """What is run when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("burgled"),))


def test_what_a_checkpoint_would_run_is_not_run(
    clip: TinyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "burglar.pt"
    file.write_bytes(pickle.dumps({"state_dict": Burglar()}, protocol=2))

    with pytest.raises(WeightsNotFoundError, match="cannot be loaded from"):
        load(f"{clip.architecture}:{file}")

    assert not (tmp_path / "burgled").exists()


def test_a_checkpoint_of_another_model_is_refused(clip: TinyModel, siglip: TinyModel) -> None:
    with pytest.raises(WeightsNotFoundError, match="is not of 'tiny-clip'") as caught:
        load(f"{clip.architecture}:{siglip.checkpoint}")

    assert "open_clip:NAME:CHECKPOINT" in (caught.value.hint or "")
    with pytest.raises(WeightsNotFoundError, match="is not of 'ViT-B-32'"):
        load(f"ViT-B-32:{clip.checkpoint}")


@pytest.mark.parametrize("key", ["visual.positional_embedding", "positional_embedding"])
def test_positions_are_not_stretched_to_fit(clip: TinyModel, tmp_path: Path, key: str) -> None:
    import torch

    state = torch.load(clip.checkpoint, weights_only=True)["state_dict"]
    shape = state[key].shape
    longer = 65 if key.startswith("visual") else 90
    state[key] = torch.randn(longer, shape[1])
    file = tmp_path / "other-size.pt"
    torch.save(state, file)

    with pytest.raises(WeightsNotFoundError, match=rf"\({longer}, {shape[1]}\) positions"):
        load(f"{clip.architecture}:{file}")


def test_weights_that_cannot_be_fetched_are_told(
    clip: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    import open_clip

    tags = open_clip.pretrained._PRETRAINED[clip.architecture]
    away = {"hf_hub": "nobody/has-this/", "mean": (0, 0, 0), "std": (1, 1, 1)}
    monkeypatch.setitem(tags, "away", away)

    with pytest.raises(WeightsNotFoundError, match="neither here nor can they be fetched") as found:
        load(f"{clip.architecture}/away")

    assert "`open_clip:tiny-clip/away:CHECKPOINT`" in (found.value.hint or "")


def test_a_checkpoint_that_a_tag_names_is_never_replaced_by_random_weights(
    clip: TinyModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import open_clip

    tags = open_clip.pretrained._PRETRAINED[clip.architecture]
    file = tmp_path / "moved.pt"
    monkeypatch.setitem(tags, "moved", {**tags["colours"], "file": str(file)})

    with pytest.raises(WeightsNotFoundError, match="cannot be loaded from"):
        load(f"{clip.architecture}/moved")

    shutil.copy(clip.checkpoint, file)
    assert load(f"{clip.architecture}/moved").pictures(pixels()).shape == (2, 32)


def test_what_pytorch_says_of_a_failed_pass_is_wrapped(clip: TinyModel) -> None:
    towers = load(clip.tagged)

    with pytest.raises(EncoderError, match="failed on 2 pictures: ") as caught:
        towers.pictures(pixels()[:, :, :16])

    assert "encoder.batch_size" in (caught.value.hint or "")
    assert isinstance(caught.value.__cause__, (RuntimeError, AssertionError))


def test_what_pytorch_finds_here_is_consistent() -> None:
    import torch

    from florilegium.encoders.open_clip.towers import look_for_cuda

    cuda = look_for_cuda()

    assert cuda.built is torch.backends.cuda.is_built()
    assert cuda.available is torch.cuda.is_available()
    assert cuda.available or not cuda.bf16


def test_a_model_that_does_not_fit_into_memory_is_told(
    clip: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    import open_clip
    import torch

    def fail(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(open_clip, "create_model", fail)

    for model in (clip.tagged, f"{clip.architecture}:{clip.checkpoint}"):
        with pytest.raises(EncoderError, match="does not fit into memory: CUDA out") as caught:
            load(model)
        assert "`encoder.device`" in (caught.value.hint or "")

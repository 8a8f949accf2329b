"""Makes tiny models of OpenCLIP that were taught a few colours, with checkpoints as it writes them.

They are registered as architectures with one tag each. Loads PyTorch when it is called only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

COLOURS = ("red", "green", "blue", "yellow", "black", "white")
TAG = "colours"
SIDE = 32
_STEPS = 50
_DIM = 32
_SPECIAL = ("<pad>", "</s>", "<unk>")


@dataclass(frozen=True, slots=True, kw_only=True)
class TinyModel:
    """An architecture that OpenCLIP now knows, and the file of its weights."""

    architecture: str
    checkpoint: Path

    @property
    def tagged(self) -> str:
        """What stands after `open_clip:` for its tag."""
        return f"{self.architecture}/{TAG}"

    def load(self) -> tuple[Any, Any, Any]:
        """Return the model, its preprocessing and its tokenizer, by OpenCLIP alone."""
        open_clip = import_module("open_clip")
        model, _, transform = open_clip.create_model_and_transforms(
            self.architecture, pretrained=TAG
        )
        return model.eval(), transform, open_clip.get_tokenizer(self.architecture)


def make_clip(folder: Path) -> TinyModel:
    """Return a CLIP of two layers: causal, 77 tokens, OpenCLIP's own tokenizer."""
    config = {
        "embed_dim": _DIM,
        "vision_cfg": {"image_size": SIDE, "layers": 2, "width": 64, "patch_size": 8,
                       "head_width": 32},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2,
                     "layers": 2},
    }  # fmt: skip
    mean, std = (0.48, 0.46, 0.41), (0.27, 0.26, 0.28)
    return _make(folder, "tiny-clip", config, resize_mode="shortest", mean=mean, std=std)


def make_siglip(folder: Path) -> TinyModel:
    """Return a SigLIP: a vision tower of timm, texts not causal, a tokenizer of transformers."""
    _write_tokenizer(folder / "tokenizer")
    config = {
        "embed_dim": 64,
        "init_logit_bias": -10,
        "custom_text": True,
        "vision_cfg": {"image_size": SIDE, "timm_model_name": "test_vit",
                       "timm_model_pretrained": False, "timm_pool": "map", "timm_proj": "none"},
        "text_cfg": {"context_length": 64, "vocab_size": 300, "width": 64, "heads": 2, "layers": 2,
                     "hf_tokenizer_name": str(folder / "tokenizer"),
                     "tokenizer_kwargs": {"clean": "canonicalize"},
                     "no_causal_mask": True, "proj_bias": True, "pool_type": "last"},
    }  # fmt: skip
    half = (0.5, 0.5, 0.5)
    return _make(folder, "tiny-siglip", config, resize_mode="squash", mean=half, std=half)


def picture(colour: str, *, size: tuple[int, int] = (48, 40)) -> Image.Image:
    """Return a picture of one colour."""
    return Image.new("RGB", size, colour)


def _make(folder: Path, name: str, config: Mapping[str, Any], **preprocessing: Any) -> TinyModel:
    torch, open_clip = import_module("torch"), import_module("open_clip")
    file = folder / f"{name}.json"
    file.write_text(json.dumps(config), encoding="utf-8")
    open_clip.add_model_config(file)
    checkpoint = folder / f"{name}.pt"
    open_clip.pretrained._PRETRAINED[name] = {
        TAG: {"file": str(checkpoint), "interpolation": "bicubic"} | preprocessing
    }
    torch.manual_seed(1)
    model = open_clip.create_model(name, force_preprocess_cfg=preprocessing)
    _teach(model, open_clip.get_tokenizer(name))
    torch.save({"epoch": 1, "state_dict": model.state_dict()}, checkpoint)
    return TinyModel(architecture=name, checkpoint=checkpoint)


def _teach(model: Any, tokenizer: Any) -> None:
    """Bring pictures of a colour and texts with its name together, in a second or two."""
    torch, open_clip = import_module("torch"), import_module("open_clip")
    cfg = open_clip.transform.PreprocessCfg(**open_clip.get_model_preprocess_cfg(model))
    transform = open_clip.transform.image_transform_v2(cfg, is_train=False)
    pixels = torch.stack([transform(picture(colour)) for colour in COLOURS])
    forms = [[form.format(colour) for colour in COLOURS] for form in ("{}", "a {} thing")]
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    target = torch.arange(len(COLOURS))
    for step in range(_STEPS):
        pictures = model.encode_image(pixels, normalize=True)
        texts = model.encode_text(tokenizer(forms[step % 2]), normalize=True)
        loss = torch.nn.functional.cross_entropy(10 * texts @ pictures.T, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def _write_tokenizer(folder: Path) -> None:
    """Write a tokenizer of bytes with the special tokens of SigLIP's."""
    folder.mkdir()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate((*_SPECIAL, *alphabet))}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(_SPECIAL))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "<pad>", "eos_token": "</s>",
        "unk_token": "<unk>", "padding_side": "right", "model_max_length": 64,
    }  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")

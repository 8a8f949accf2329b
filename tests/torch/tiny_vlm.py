"""Tiny chat models that see, of random weights, laid out as on the hub: LLaVA, LLaVA-OneVision,
Idefics3 and Qwen2.5-VL, each with a tokenizer of bytes, a processor and a chat template."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
from PIL import Image

from florilegium.config import ChatConfig
from florilegium.registry import open_chat_model
from florilegium.types import ChatOptions, Delta, ImagePart, Message, TextPart

if TYPE_CHECKING:
    from florilegium.chat_models.transformers.chat_model import TransformersChatModel

CONTEXT = 1024
SIDE = 32
SHORT = ChatOptions(max_tokens=40)

# As LLaVA 1.5 has it: roles in words, pictures before the text of their message.
LLAVA_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] != 'system' %}{{ message['role'].upper() + ': ' }}{% endif %}"
    "{% for part in message['content'] if part['type'] == 'image' %}{{ '<image>\\n' }}{% endfor %}"
    "{% for part in message['content'] if part['type'] == 'text' %}{{ part['text'] + ' ' }}"
    "{% endfor %}{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)
# As SmolVLM has it: pictures where they stand.
IDEFICS3_TEMPLATE = (
    "<|im_start|>{% for message in messages %}{{ message['role'] | capitalize }}:"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}{{ '<image>' }}"
    "{% else %}{{ ' ' + part['text'] }}{% endif %}{% endfor %}<end_of_utterance>\n"
    "{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)
ONEVISION_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + ' ' }}"
    "{% for part in message['content'] if part['type'] == 'image' %}{{ '<image>' }}{% endfor %}"
    "{% for part in message['content'] if part['type'] == 'text' %}{{ '\n' + part['text'] }}"
    "{% endfor %}{{ '<|im_end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
QWEN_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}"
    "{{ '<|vision_start|><|image_pad|><|vision_end|>' }}{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
# One that knows no parts of messages, as those of models without eyes.
STRING_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
)

_TEXT = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": CONTEXT,
    # Large, so that the replies of random weights are not one letter again and again.
    "initializer_range": 0.6,
}
_VISION = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": SIDE,
    "patch_size": 8,
}


def write_llava(folder: Path) -> Path:
    """Write a LLaVA whose pictures come from a CLIP, as of LLaVA 1.5; return its folder."""
    import torch
    import transformers

    tokenizer = _tokenizer("<s>", "</s>", ("<pad>", "<image>"), writes_start=True)
    config = transformers.LlavaConfig(
        vision_config={"model_type": "clip_vision_model", **_VISION, "projection_dim": 32},
        text_config={"model_type": "llama", **_TEXT, **_ids(tokenizer)},
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_seq_length=16,
    )
    torch.manual_seed(2)
    _save(transformers.LlavaForConditionalGeneration(config), tokenizer, folder)
    transformers.LlavaProcessor(
        image_processor=transformers.CLIPImageProcessorPil(
            size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}
        ),
        tokenizer=tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=LLAVA_TEMPLATE,
    ).save_pretrained(str(folder))
    return folder


def write_idefics3(folder: Path) -> Path:
    """Write an Idefics3, the family of the first SmolVLM; return its folder."""
    import torch
    import transformers

    tiles = [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]
    tokenizer = _tokenizer(
        "<|im_start|>",
        "<end_of_utterance>",
        ("<pad>", "<image>", "<fake_token_around_image>", "<global-img>", *tiles),
    )
    config = transformers.Idefics3Config(
        vision_config=_VISION,
        text_config={"model_type": "llama", **_TEXT, **_ids(tokenizer)},
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(3)
    _save(transformers.Idefics3ForConditionalGeneration(config), tokenizer, folder)
    transformers.Idefics3Processor(
        image_processor=transformers.Idefics3ImageProcessorPil(
            size={"longest_edge": 2 * SIDE}, max_image_size={"longest_edge": SIDE}
        ),
        tokenizer=tokenizer,
        image_seq_len=4,
        chat_template=IDEFICS3_TEMPLATE,
    ).save_pretrained(str(folder))
    return folder


def write_onevision(folder: Path) -> Path:
    """Write a LLaVA-OneVision, which looks at parts of a single picture; return its folder."""
    import torch
    import transformers

    tokenizer = _tokenizer(
        "<|endoftext|>", "<|im_end|>", ("<pad>", "<|im_start|>", "<image>", "<video>")
    )
    views = [[SIDE, SIDE], [SIDE, 2 * SIDE], [2 * SIDE, SIDE], [2 * SIDE, 2 * SIDE]]
    config = transformers.LlavaOnevisionConfig(
        vision_config={"model_type": "siglip_vision_model", **_VISION, "vision_use_head": False},
        text_config={"model_type": "qwen2", **_TEXT, **_ids(tokenizer)},
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        video_token_index=tokenizer.convert_tokens_to_ids("<video>"),
        image_grid_pinpoints=views,
    )
    torch.manual_seed(5)
    _save(transformers.LlavaOnevisionForConditionalGeneration(config), tokenizer, folder)
    size = {"height": SIDE, "width": SIDE}
    transformers.LlavaOnevisionProcessor(
        image_processor=transformers.LlavaOnevisionImageProcessorPil(
            size=size, image_grid_pinpoints=views
        ),
        tokenizer=tokenizer,
        video_processor=transformers.LlavaOnevisionVideoProcessor(size=size),
        num_image_tokens=16,
        vision_feature_select_strategy="full",
        chat_template=ONEVISION_TEMPLATE,
    ).save_pretrained(str(folder))
    return folder


def write_qwen(folder: Path) -> Path:
    """Write a Qwen2.5-VL, whose processor also takes films; return its folder."""
    import torch
    import transformers

    tokenizer = _tokenizer(
        "<|endoftext|>",
        "<|im_end|>",
        ("<pad>", "<|im_start|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>",
         "<|video_pad|>"),
    )  # fmt: skip
    number = tokenizer.convert_tokens_to_ids
    config = transformers.Qwen2_5_VLConfig(
        text_config={
            **_TEXT,
            **_ids(tokenizer),
            "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2]},
        },
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "depth": 2,
            "num_heads": 4,
            "patch_size": 14,
            "out_hidden_size": 32,
            "window_size": 56,
            "fullatt_block_indexes": [1],
        },
        image_token_id=number("<|image_pad|>"),
        video_token_id=number("<|video_pad|>"),
        vision_start_token_id=number("<|vision_start|>"),
        vision_end_token_id=number("<|vision_end|>"),
    )
    torch.manual_seed(4)
    _save(transformers.Qwen2_5_VLForConditionalGeneration(config), tokenizer, folder)
    sizes = {"shortest_edge": 56 * 56, "longest_edge": 112 * 112}
    transformers.Qwen2_5_VLProcessor(
        image_processor=transformers.Qwen2VLImageProcessorPil(size=sizes),
        tokenizer=tokenizer,
        video_processor=transformers.Qwen2VLVideoProcessor(size=sizes),
        chat_template=QWEN_TEMPLATE,
    ).save_pretrained(str(folder))
    return folder


def open_model(folder: Path, **settings: Any) -> TransformersChatModel:
    """Return the chat model of a folder, opened by name as users do."""
    model: Any = open_chat_model(
        f"transformers:{folder}",
        # More threads only wait for each other.
        config=ChatConfig(**{"device": "cpu", "threads": 1, **settings}),
        texts=None,
        cache_folder=folder / "cache",
    )
    return model  # type: ignore[no-any-return]  # the registry promises a ChatModel only


def photos(count: int) -> list[Image.Image]:
    """Return pictures of noise, each of another size."""
    noise = np.random.default_rng(3)
    sizes = [(64, 48), (40, 90), (120, 70)][:count]
    return [
        Image.fromarray(noise.integers(0, 256, (height, width, 3), dtype=np.uint8))
        for width, height in sizes
    ]


def ask(text: str, pictures: Sequence[Image.Image] = ()) -> list[Message]:
    """Return a second question, about numbered pictures."""
    parts = [ImagePart(image=each, number=at) for at, each in enumerate(pictures, start=1)]
    return [
        Message(role="system", parts=(TextPart(text="Answer in a word."),)),
        Message(role="user", parts=(TextPart(text="Füße?"),)),
        Message(role="assistant", parts=(TextPart(text="Feet."),)),
        Message(role="user", parts=(*parts, TextPart(text=text))),
    ]


def text_of(deltas: Iterable[Delta]) -> str:
    """Return what deltas say together."""
    return "".join(delta.text for delta in deltas)


def spy_on_tokens(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that fills with the tokens that a reply is made of."""
    from florilegium.chat_models.transformers.generation import TokenReader

    seen: list[int] = []
    add = TokenReader.add

    def spy(self: TokenReader, token: int) -> str:
        seen.append(token)
        return add(self, token)

    monkeypatch.setattr(TokenReader, "add", spy)
    return seen


def change_json(file: Path, **values: object) -> None:
    """Set keys of a JSON file; None takes one out."""
    tree = json.loads(file.read_text(encoding="utf-8")) | values
    kept = {key: value for key, value in tree.items() if value is not None}
    file.write_text(json.dumps(kept), encoding="utf-8")


def set_template(folder: Path, template: str | None) -> None:
    """Give the processor of a folder another chat template, or none."""
    file = folder / "chat_template.jinja"
    if template is None:
        file.unlink()
    else:
        file.write_text(template, encoding="utf-8")


def _tokenizer(start: str, end: str, others: Sequence[str], *, writes_start: bool = False) -> Any:
    """Return a tokenizer whose tokens are single bytes, and some that are special."""
    import transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({each: at for at, each in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([start, end, *others])
    if writes_start:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{start} $A", special_tokens=[(start, tokenizer.token_to_id(start))]
        )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=start,
        eos_token=end,
        pad_token="<pad>",
        additional_special_tokens=list(others),
    )


def _ids(tokenizer: Any) -> dict[str, int]:
    return {
        "vocab_size": len(tokenizer),
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }


def _save(model: Any, tokenizer: Any, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in _ids(tokenizer).items():
        if name != "vocab_size":
            setattr(model.generation_config, name, value)
    model.save_pretrained(str(folder))


WRITERS: Final = {
    "llava": write_llava,
    "idefics3": write_idefics3,
    "onevision": write_onevision,
    "qwen": write_qwen,
}

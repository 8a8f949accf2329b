"""The tokenizer of CLIP as a `tokenizer.json`, from the vocabulary that OpenCLIP has in its code.

OpenCLIP mends texts with ftfy before it tokenizes. Of that, what is common is done here: straight
quotes, Latin ligatures, wide forms, the usual HTML entities. A text in a wrong encoding is not
mended, and has other tokens here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tokenizers import (
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)

# Contractions, words, single digits, and everything else, as CLIP was trained.
_PIECES = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"

# Entities that are escaped twice come first; "&" is last, as it may begin another.
_ENTITIES = {"lt": "<", "gt": ">", "quot": '"', "#39": "'", "apos": "'", "nbsp": " ", "amp": "&"}
_LIGATURES = {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬆ": "st"}
_WIDE = 0xFEE0  # from a printable ASCII character to its form as wide as a Chinese one


def make_clip_tokenizer(
    vocabulary: Mapping[str, int], merges: Sequence[tuple[str, str]], *, start: str, end: str
) -> Tokenizer:
    """Return the tokenizer of byte pairs with this vocabulary.

    Args:
        vocabulary: Numbers of tokens; those that end a word are written with `</w>`.
        merges: Pairs that become one, the earliest first.
        start: The special token before a text.
        end: The special token after a text.
    """
    tokenizer = Tokenizer(
        models.BPE(
            vocab=dict(vocabulary),
            merges=list(merges),
            continuing_subword_prefix="",
            end_of_word_suffix="</w>",
        )
    )
    tokenizer.normalizer = _cleaning()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    # Not made known as special tokens: they would be found in texts, and end them.
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}",
        special_tokens=[(start, vocabulary[start]), (end, vocabulary[end])],
    )
    return tokenizer


def _cleaning() -> normalizers.Normalizer:
    replace = normalizers.Replace
    return normalizers.Sequence(
        [
            *(replace(f"&amp;{name};", f"&{name};") for name in _ENTITIES),
            *(replace(f"&{name};", character) for name, character in _ENTITIES.items()),
            *(replace(ligature, letters) for ligature, letters in _LIGATURES.items()),
            *(replace(chr(number + _WIDE), chr(number)) for number in range(0x21, 0x7F)),
            replace(Regex("[\u02bc\u2018-\u201b]"), "'"),
            replace(Regex("[\u201c-\u201f]"), '"'),
            normalizers.NFC(),
            replace(Regex(r"\s+"), " "),
            normalizers.Lowercase(),
        ]
    )

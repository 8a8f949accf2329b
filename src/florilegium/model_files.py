"""Which files of a hub repository a model is made of, and what kind of model they are.

Knows names, and no bytes of them but those of config.json. Pickled weights and code are never
chosen.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any

from florilegium.encoders.onnx_clip.layouts import (
    LAYOUTS,
    SUFFIXES,
    find_pair,
    weights_beside,
)
from florilegium.errors import WeightsNotFoundError
from florilegium.model_cards import ModelCard, PinnedFile
from florilegium.model_hub import HubFile, Repository
from florilegium.model_records import ChatKind, FolderKind, ModelKind
from florilegium.rerankers.cross_encoder.layouts import find_graph, require_graph
from florilegium.types import Precision

CONFIG = "config.json"
_CONFIGURATION = {
    CONFIG,
    "open_clip_config.json",
    "preprocess_cfg.json",
    "preprocessor_config.json",
    "processor_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
}
_CHAT_CONFIGURATION = re.compile(
    r"(config|generation_config|added_tokens|special_tokens_map|vocab|chat_template"
    r"|(video_|image_)?(pre)?processor_config|tokenizer(_config)?)\.json"
    r"|merges\.txt|vocab\.txt|chat_template\.jinja|additional_chat_templates/[^/]+\.jinja"
    r"|tokenizer\.model|spiece\.model|sentencepiece\.bpe\.model"
)
_TOKENIZERS = {"tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model"}
_TERMS = re.compile(r"(LICEN[CS]E|NOTICE|README)(\.(md|txt))?", re.IGNORECASE)

_SAFETENSORS = "model.safetensors"
_SAFETENSORS_INDEX = "model.safetensors.index.json"
_PART = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})(?P<suffix>\.\w+)")
_PROJECTOR = "mmproj"  # is in the name of the file that lets a language model see
_PREFERRED_MODELS = ("Q4_K_M", "Q8_0")
_PREFERRED_PROJECTORS = ("Q8_0", "F16", "BF16", "F32")
_MOST_NAMED = 12  # files that a message lists

_GENERATIVE = ("ForConditionalGeneration", "ForCausalLM", "LMHeadModel")
_SCORING = "ForSequenceClassification"
_MC_LLAVA = "mc-llava"
"""The `model_type` of MC-LLaVA, whose network only the backend of its name knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is wanted of a model, where there is a choice; what is None or empty is left to us.

    `revision` is a commit, branch or tag. `precisions` are fetched besides fp32, of an encoder.
    `patterns` name GGUF files like a command line does. `kind` says what to fetch it as, where a
    repository holds more than one kind of model.
    """

    revision: str | None = None
    precisions: Sequence[Precision] = ()
    patterns: Sequence[str] = ()
    kind: ModelKind | None = None


def find_kind(repository: Repository, patterns: Sequence[str]) -> ModelKind:
    """Return what kind of model the files of a repository are; `patterns` are for GGUF only.

    Raises:
        WeightsNotFoundError: It is of no kind that can be used, or of two.
    """
    paths = {file.path for file in repository.files}
    has_gguf = any(path.lower().endswith(".gguf") for path in paths)
    if patterns and has_gguf:
        return "llama_cpp"
    if find_pair(paths, "fp32") is not None:
        return "onnx_clip"
    has_tensors = CONFIG in paths and any(path.endswith(".safetensors") for path in paths)
    # Which of the two a folder with one graph is, its config.json says.
    has_tensors |= CONFIG in paths and find_graph(paths) is not None
    if has_gguf and has_tensors:
        raise WeightsNotFoundError(
            f"The repository {repository.name!r} holds GGUF files and a transformers folder.",
            hint="Give --kind llama_cpp or --kind transformers.",
        )
    if has_gguf:
        return "llama_cpp"
    if has_tensors:
        return "transformers"
    raise WeightsNotFoundError(
        f"The repository {repository.name!r} has no pair of ONNX graphs in fp32, no GGUF file, and "
        f"no {CONFIG} with safetensors. Its files: {_listed(paths)}.",
        hint="Choose another one; an encoder can be exported with `florilegium models export`.",
    )


def judge_config(repository: Repository, config: Mapping[str, Any]) -> FolderKind:
    """Return which backend opens the transformers folder of this config.json.

    Raises:
        WeightsNotFoundError: Its network writes no texts, and it is no reranker with a graph.
    """
    if config.get("model_type") == _MC_LLAVA:
        return "mc_llava"
    names = config.get("architectures")
    architectures = [str(name) for name in names] if isinstance(names, list) else []
    if any(name.endswith(_SCORING) for name in architectures):
        _reranker_graph(repository)
        return "cross_encoder"
    if architectures and not any(name.endswith(_GENERATIVE) for name in architectures):
        raise WeightsNotFoundError(
            f"The repository {repository.name!r} is no chat model: its network is "
            f"{architectures[0]!r}, which writes no texts.",
            hint="Choose another one; an encoder can be exported with `florilegium models export`.",
        )
    return "transformers"


def choose_files(
    repository: Repository, kind: ModelKind, *, wish: Wish, card: ModelCard | None
) -> list[HubFile]:
    """Return the files that a model of this kind needs: those of its card, else what is wished.

    Raises:
        WeightsNotFoundError: They are not all there, it is not clear which are meant, or what is
            wished is for another kind of model.
    """
    if kind == "onnx_clip":
        if wish.patterns:
            raise _useless(repository, "--file", "an encoder")
        return select_files(repository, tuple(dict.fromkeys(("fp32", *wish.precisions))))
    if wish.precisions:
        what = "a reranker" if kind == "cross_encoder" else "a chat model"
        raise _useless(repository, "--precision", what)
    if kind == "cross_encoder":
        return _with_graphs(repository, [_reranker_graph(repository, wish.patterns)])
    patterns = list(wish.patterns)
    if not patterns and kind == "llama_cpp":
        # The card has chosen one of many quantizations.
        patterns = list(_pinned(repository, card))
    return select_chat_files(repository, kind, patterns)


def select_chat_files(
    repository: Repository, kind: ChatKind, patterns: Sequence[str]
) -> list[HubFile]:
    """Return the files of a repository that a chat model needs, and its terms.

    Args:
        repository: What there is.
        kind: The backend that opens them.
        patterns: Which GGUF files to take, as on a command line; by default one of a size that
            suits most, and one projector.

    Raises:
        WeightsNotFoundError: They are not all there, or it is not clear which are meant.
    """
    if kind == "llama_cpp":
        chosen = _select_gguf(repository, patterns)
    elif patterns:
        raise _useless(repository, "--file", f"fetched for {kind}")
    else:
        chosen = _select_transformers(repository)
    by_path = {file.path: file for file in repository.files}
    terms = [path for path in by_path if _TERMS.fullmatch(path)]
    return [by_path[path] for path in dict.fromkeys([*chosen, *terms])]


def pin_files(
    files: Sequence[HubFile], repository: Repository, card: ModelCard | None
) -> list[HubFile]:
    """Return the files with the hashes of their card.

    Raises:
        WeightsNotFoundError: The repository contradicts the card.
    """
    pinned = _pinned(repository, card)
    result = []
    for file in files:
        pin = pinned.get(file.path)
        sha256 = pin.sha256 if pin else None
        if pin and (
            pin.size not in {None, file.size} or (sha256 and file.sha256 not in {None, sha256})
        ):
            raise WeightsNotFoundError(
                f"{file.path!r} of {repository.name!r} is not the file that the card promises: "
                "its size or hash differs.",
                hint="Do not use it unless you know why; with --revision the card is left out.",
            )
        result.append(replace(file, sha256=sha256) if sha256 else file)
    return result


def named_files(repository: Repository, paths: Sequence[str]) -> list[HubFile]:
    """Return the files of these paths. Raises WeightsNotFoundError when one is not there."""
    by_path = {file.path: file for file in repository.files}
    missing = [path for path in paths if path not in by_path]
    if missing:
        raise WeightsNotFoundError(
            f"The repository {repository.name!r} has no file {missing[0]!r} any more.",
            hint="Remove the model with `florilegium models remove`, and pull it again.",
        )
    return [by_path[path] for path in paths]


def is_matched(path: str, pattern: str) -> bool:
    """Return whether a pattern like `*Q8_0*` means a file, by its path or its name."""
    names = (path.lower(), PurePosixPath(path.lower()).name)
    return any(fnmatchcase(name, pattern.lower()) for name in names)


def select_files(repository: Repository, precisions: Sequence[Precision]) -> list[HubFile]:
    """Return the files of a repository that an encoder needs: graphs, configuration, terms.

    Raises:
        WeightsNotFoundError: It has no graphs in a precision, or no tokenizer.
    """
    return _with_graphs(
        repository,
        [path for precision in precisions for path in _find_graphs(repository, precision)],
    )


def _with_graphs(repository: Repository, graphs: Sequence[str]) -> list[HubFile]:
    """Return graphs with what belongs to them: weights beside, configuration, terms."""
    by_path = {file.path: file for file in repository.files}
    weights = {*graphs, *(path for graph in graphs for path in weights_beside(graph, by_path))}
    chosen = [path for path in by_path if path in weights]
    folders = {"", *(str(PurePosixPath(path).parent) for path in graphs)}
    for path in by_path:
        parent, _, file_name = path.rpartition("/")
        is_configuration = file_name in _CONFIGURATION and parent in folders
        if is_configuration or (not parent and _TERMS.fullmatch(file_name)):
            chosen.append(path)
    if not any(path.endswith("tokenizer.json") for path in chosen):
        raise WeightsNotFoundError(
            f"The repository {repository.name!r} has no tokenizer.json.",
            hint="Choose another one, or export the model with `florilegium models export`.",
        )
    return [by_path[path] for path in dict.fromkeys(chosen)]


def _pinned(repository: Repository, card: ModelCard | None) -> dict[str, PinnedFile]:
    """Return what the card knows, unless another revision than the one it speaks of is wanted."""
    if card is None or card.revision not in {None, repository.commit}:
        return {}
    return {file.path: file for file in card.files}


def _useless(repository: Repository, option: str, what: str) -> WeightsNotFoundError:
    return WeightsNotFoundError(
        f"{repository.name!r} is {what}, for which {option} has no meaning.",
        hint="Leave it out: --precision is for encoders, --file for GGUF files and rerankers.",
    )


def _find_graphs(repository: Repository, precision: Precision) -> tuple[str, str]:
    paths = {file.path for file in repository.files}
    pair = find_pair(paths, precision)
    if pair is None:
        first = LAYOUTS[0][0].format(SUFFIXES.get(precision, ""))
        raise WeightsNotFoundError(
            f"The repository {repository.name!r} has no pair of ONNX graphs in {precision}: "
            f"{first!r} and its like are not among its {len(paths)} files.",
            hint="Choose another one, or export the model with `florilegium models export`.",
        )
    return pair


def _reranker_graph(repository: Repository, patterns: Sequence[str] = ()) -> str:
    paths = {file.path for file in repository.files}
    if patterns:
        paths = {path for path in paths if any(is_matched(path, each) for each in patterns)}
    return require_graph(paths, repository=repository.name, asked=", ".join(patterns))


def _select_gguf(repository: Repository, patterns: Sequence[str]) -> list[str]:
    paths = [file.path for file in repository.files if file.path.lower().endswith(".gguf")]
    # An importance matrix is what a quantization was made with, and no model.
    paths = [path for path in paths if "imatrix" not in PurePosixPath(path).name.lower()]
    projectors = [path for path in paths if _PROJECTOR in PurePosixPath(path).name.lower()]
    others = [path for path in paths if path not in projectors]
    if not others:
        raise WeightsNotFoundError(
            f"The repository {repository.name!r} has no GGUF file of a language model.",
            hint="Choose the repository that the projector belongs to.",
        )
    # A pattern that names projectors says more of them than one that only fits them too.
    of_projectors = [pattern for pattern in patterns if _PROJECTOR in pattern.lower()]
    of_models = [pattern for pattern in patterns if pattern not in of_projectors]
    for pattern in patterns:
        meant = projectors if pattern in of_projectors else others
        if not any(is_matched(path, pattern) for path in meant):
            raise WeightsNotFoundError(
                f"No such file of {repository.name!r} is called like {pattern!r}; there are "
                f"{_listed(meant)}.",
                hint="Mend --file; it is matched like a name on a command line, e.g. '*Q8_0*'.",
            )
    wished = of_projectors or of_models
    return [
        *_choose(repository.name, others, of_models, _PREFERRED_MODELS),
        *_choose(repository.name, projectors, wished, _PREFERRED_PROJECTORS),
    ]


def _choose(
    repository: str, paths: Sequence[str], patterns: Sequence[str], preferred: Sequence[str]
) -> list[str]:
    """Return all parts of one of the models: what the user named, else what most want."""
    groups = _grouped(paths)
    asked = [
        name
        for name, parts in groups.items()
        if any(is_matched(path, pattern) for path in parts for pattern in patterns)
    ]
    names = asked or list(groups)
    for quantization in preferred if len(names) > 1 else ():
        found = [name for name in names if _is_quantized(name, quantization)]
        if found:
            names = found
            break
    if len(names) > 1:
        raise WeightsNotFoundError(
            f"The repository {repository!r} has more than one file that may be meant: "
            f"{_listed(names)}.",
            hint=f"Name one, e.g. --file '*{PurePosixPath(min(names)).stem}*'.",
        )
    chosen = [path for name in names for path in groups[name]]
    _require_all_parts(repository, chosen)
    return chosen


def _is_quantized(path: str, quantization: str) -> bool:
    name = re.escape(quantization)
    return re.search(rf"(?<![A-Z0-9]){name}(?![A-Z0-9_])", path, re.IGNORECASE) is not None


def _grouped(paths: Sequence[str]) -> dict[str, list[str]]:
    """Return the parts of each model, by the name that they share."""
    groups: dict[str, list[str]] = {}
    for path in sorted(paths):
        part = _PART.fullmatch(path)
        groups.setdefault(part["stem"] + part["suffix"] if part else path, []).append(path)
    return groups


def _require_all_parts(repository: str, parts: Sequence[str]) -> None:
    found = [part for path in parts if (part := _PART.fullmatch(path))]
    if not found:
        return
    numbers, count = {int(part["number"]) for part in found}, int(found[0]["count"])
    if numbers != set(range(1, count + 1)):
        raise WeightsNotFoundError(
            f"The repository {repository!r} has {len(numbers)} of the {count} parts of "
            f"{found[0]['stem']!r}.",
            hint="Choose another one, or another revision with --revision.",
        )


def _select_transformers(repository: Repository) -> list[str]:
    paths = [file.path for file in repository.files]
    if _SAFETENSORS in paths:
        weights = [_SAFETENSORS]
    elif _SAFETENSORS_INDEX in paths:
        parts = [path for path in paths if re.fullmatch(r"model-\d{5}-of-\d{5}\.safetensors", path)]
        _require_all_parts(repository.name, parts)
        weights = [_SAFETENSORS_INDEX, *parts] if parts else []
    else:
        weights = []
    if not weights or CONFIG not in paths:
        raise WeightsNotFoundError(
            f"The repository {repository.name!r} has no {CONFIG} with {_SAFETENSORS!r}, or with "
            f"{_SAFETENSORS_INDEX!r} and its parts. Its files: {_listed(paths)}.",
            hint="Choose another one: pickled weights such as *.bin are never fetched.",
        )
    if not _TOKENIZERS & set(paths):
        raise WeightsNotFoundError(
            f"The repository {repository.name!r} has no tokenizer.", hint="Choose another one."
        )
    return [*(path for path in paths if _CHAT_CONFIGURATION.fullmatch(path)), *weights]


def _listed(paths: Collection[str]) -> str:
    names = [repr(path) for path in sorted(paths)]
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "") or "none"

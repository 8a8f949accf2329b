"""The folder of a cross-encoder: its graph, its tokenizer, and how much it reads at once.

Opens small files only: config.json and those of the tokenizer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from florilegium.errors import WeightsNotFoundError
from florilegium.model_cards import find_card
from florilegium.model_records import RECORD_NAME, read_folder_record
from florilegium.rerankers.cross_encoder.layouts import GRAPHS, find_graph

# Position 0 of these is the padding's, and those of a text begin behind it.
_OFFSET_FAMILIES = {"roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "mpnet"}
_ENDLESS = 1_000_000  # a tokenizer without a limit writes 10^30
_HINT = "Fetch the model again, or choose another one."


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFolder:
    """What is known of a cross-encoder before its weights are opened."""

    graph: Path
    tokenizer: Path
    max_tokens: int
    pad_id: int
    languages: frozenset[str] | None


def read_folder(path: Path) -> ModelFolder:
    """Return what a folder, or a graph within one, says of a cross-encoder.

    Raises:
        WeightsNotFoundError: A file is missing or damaged, or it does not say how much the model
            reads at once.
    """
    folder, graph = _find_graph(path)
    config = _read_json(folder / "config.json")
    tokenizer = folder / "tokenizer.json"
    if not tokenizer.is_file():
        raise WeightsNotFoundError(
            f"The cross-encoder in {str(folder)!r} has no tokenizer.json.", hint=_HINT
        )
    pad_id = config.get("pad_token_id")
    return ModelFolder(
        graph=graph,
        tokenizer=tokenizer,
        max_tokens=_max_tokens(folder, config),
        pad_id=pad_id if isinstance(pad_id, int) else 0,
        languages=_languages(folder),
    )


def _find_graph(path: Path) -> tuple[Path, Path]:
    if path.is_file():
        return path.parent.parent if path.parent.name == "onnx" else path.parent, path
    found = find_graph({name for name in GRAPHS if (path / name).is_file()})
    if found is None:
        raise WeightsNotFoundError(
            f"The folder {str(path)!r} has no graph of a cross-encoder: neither {GRAPHS[0]!r} nor "
            f"{GRAPHS[1]!r}, nor one that was made smaller.",
            hint=_HINT,
        )
    return path, path / found


def _max_tokens(folder: Path, config: Mapping[str, Any]) -> int:
    limits: list[int] = []
    positions = config.get("max_position_embeddings")
    if isinstance(positions, int):
        pad_id = config.get("pad_token_id")
        if config.get("model_type") in _OFFSET_FAMILIES and isinstance(pad_id, int):
            positions -= pad_id + 1
        limits.append(positions)
    if (folder / "tokenizer_config.json").is_file():
        longest = _read_json(folder / "tokenizer_config.json").get("model_max_length")
        if isinstance(longest, (int, float)) and longest < _ENDLESS:
            limits.append(int(longest))
    if not limits:
        raise WeightsNotFoundError(
            f"Neither config.json nor tokenizer_config.json in {str(folder)!r} says how many "
            "tokens the cross-encoder reads at once.",
            hint="Write it into config.json as max_position_embeddings.",
        )
    return min(limits)


def _languages(folder: Path) -> frozenset[str] | None:
    if (folder / RECORD_NAME).is_file():
        known = read_folder_record(folder / RECORD_NAME).languages
        return None if known is None else frozenset(known)
    card = find_card(folder.name)
    codes = card.language_codes if card else None
    return None if codes is None else frozenset(codes)


def _read_json(file: Path) -> Mapping[str, Any]:
    try:
        tree = json.loads(file.read_bytes())
    except FileNotFoundError as error:
        raise WeightsNotFoundError(
            f"The cross-encoder in {str(file.parent)!r} has no {file.name}.", hint=_HINT
        ) from error
    except (OSError, ValueError) as error:
        raise WeightsNotFoundError(f"{str(file)!r} cannot be read: {error}.", hint=_HINT) from error
    if not isinstance(tree, dict):
        raise WeightsNotFoundError(f"{str(file)!r} is no JSON object.", hint=_HINT)
    return tree

"""Which files of a hub repository a model is made of. Knows names, and no bytes of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from florilegium.encoders.onnx_clip.layouts import (
    LAYOUTS,
    SUFFIXES,
    find_pair,
    weights_beside,
)
from florilegium.errors import WeightsNotFoundError
from florilegium.model_hub import HubFile, Repository
from florilegium.types import Precision

_CONFIGURATION = {
    "config.json",
    "open_clip_config.json",
    "preprocess_cfg.json",
    "preprocessor_config.json",
    "processor_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
}
_TERMS = re.compile(r"(LICEN[CS]E|NOTICE|README)(\.(md|txt))?", re.IGNORECASE)


def select_files(repository: Repository, precisions: Sequence[Precision]) -> list[HubFile]:
    """Return the files of a repository that a model needs: graphs, configuration, terms.

    Raises:
        WeightsNotFoundError: It has no graphs in a precision, or no tokenizer.
    """
    by_path = {file.path: file for file in repository.files}
    graphs = [path for precision in precisions for path in _find_graphs(repository, precision)]
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

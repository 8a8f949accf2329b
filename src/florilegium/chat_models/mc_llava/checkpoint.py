"""From the weight files of MC-LLaVA to its network; nothing missing, nothing left over.

Reads safetensors only, and no code from the folder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from florilegium.chat_models.mc_llava.device import Way
from florilegium.chat_models.mc_llava.layout import HINT, Layout, Pin
from florilegium.chat_models.mc_llava.network import Network, fill, make_empty
from florilegium.chat_models.mc_llava.package import SafetensorError, Tensor, safe_open, torch
from florilegium.errors import ChatError, WeightsNotFoundError
from florilegium.ids import sha256_file
from florilegium.torch_device import is_out_of_memory

_SINGLE = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_TOWER = "vision_model.vision_tower."
_NAMED = 5  # weights in one message
_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
# What PyTorch, safetensors and JSON raise over files that are damaged or of another model.
_LOAD_ERRORS = (
    AttributeError,
    KeyError,
    OSError,
    MemoryError,
    RuntimeError,
    SafetensorError,
    TypeError,
    ValueError,
)


def load_network(folder: Path, layout: Layout, *, pin: Pin, way: Way) -> Network:
    """Return the network of a folder with its weights.

    Raises:
        WeightsNotFoundError: A file is missing, damaged, or not the one of `pin`; a weight is
            missing, left over, or of another shape than the configuration says.
        ChatError: There is no memory for them.
    """
    _check_files(folder, pin)
    parts = make_empty(layout)
    shapes = {name: tuple(weight.shape) for name, weight in parts.state_dict().items()}
    try:
        files = _list_files(folder)
        if foreign := set(files.values()) - pin.files.keys():
            raise ValueError(f"{_INDEX} names {', '.join(sorted(foreign))}, which is not pinned")
        _check_names(folder, shapes, files)
        return fill(parts, _read(folder, shapes, files, way), layout)
    except _LOAD_ERRORS as error:
        if is_out_of_memory(error):
            raise ChatError(
                f"The weights in {str(folder)!r} do not fit into memory: {first_line(error)}.",
                hint="Look what else takes the memory of the device, or set chat.precision to "
                "`bf16` or chat.device to `cpu`.",
            ) from error
        raise WeightsNotFoundError(
            f"The weights in {str(folder)!r} cannot be read: {error}.", hint=HINT
        ) from error


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, without its full stop."""
    return str(error).partition("\n")[0].rstrip(".") or type(error).__name__


def _check_files(folder: Path, pin: Pin) -> None:
    for name, wanted in pin.files.items():
        file = folder / name
        try:
            found = sha256_file(file)
        except OSError as error:
            raise WeightsNotFoundError(
                f"{name!r} is not in {str(folder)!r}, or cannot be read: {error}.", hint=HINT
            ) from error
        if found != wanted:
            raise WeightsNotFoundError(
                f"{str(file)!r} is not the file of {pin.repository!r} at {pin.revision[:7]}: its "
                f"SHA-256 is {found!r}, expected {wanted!r}.",
                hint=HINT,
            )


def _list_files(folder: Path) -> dict[str, str]:
    """Return the file of each weight in the checkpoint."""
    if (folder / _INDEX).exists():
        index = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
        return dict(index["weight_map"])
    with _open(folder / _SINGLE, "cpu") as file:
        return dict.fromkeys(file.keys(), _SINGLE)


def _check_names(
    folder: Path, shapes: Mapping[str, tuple[int, ...]], files: Mapping[str, str]
) -> None:
    found = {_rename(name) for name in files}
    for names, fault in ((shapes.keys() - found, "lacks"), (found - shapes.keys(), "also has")):
        if names:
            some = ", ".join(repr(name) for name in sorted(names)[:_NAMED])
            raise WeightsNotFoundError(
                f"The checkpoint in {str(folder)!r} {fault} {len(names)} weights, among them "
                f"{some}: it is of another layout than MC-LLaVA's.",
                hint=HINT,
            )


def _read(
    folder: Path,
    shapes: Mapping[str, tuple[int, ...]],
    files: Mapping[str, str],
    way: Way,
) -> dict[str, Tensor]:
    weights: dict[str, Tensor] = {}
    for shard in dict.fromkeys(files.values()):
        with _open(folder / shard, way.device) as file:
            for name in (name for name, at in files.items() if at == shard):
                weight = file.get_tensor(name)
                ours = _rename(name)
                if tuple(weight.shape) != shapes[ours]:
                    raise WeightsNotFoundError(
                        f"The weight {name!r} in {str(folder / shard)!r} has the shape "
                        f"{tuple(weight.shape)}, expected {shapes[ours]}.",
                        hint=HINT,
                    )
                weights[ours] = weight.to(_TYPES[way.precision])
    return weights


def _rename(name: str) -> str:
    """Return the name of a weight in our network; transformers once had a module more."""
    if name.startswith(f"{_TOWER}vision_model."):
        return f"{_TOWER}{name.removeprefix(f'{_TOWER}vision_model.')}"
    return name


def _open(file: Path, device: str) -> Any:
    return safe_open(file, framework="pt", device=device)

"""The two towers of a model of OpenCLIP in PyTorch: arrays in, rows out, not normalised.

Knows neither pictures nor words, and refuses weights that are not the ones of the model.
"""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from florilegium.encoders.open_clip.device import Cuda, Way
from florilegium.encoders.open_clip.facts import ModelFacts, short_reason
from florilegium.encoders.open_clip.package import SafetensorError, open_clip, torch
from florilegium.encoders.open_clip.tokens import Integers
from florilegium.errors import EncoderError, WeightsNotFoundError
from florilegium.torch_device import is_out_of_memory

logger = logging.getLogger(__name__)

Rows = npt.NDArray[np.float32]

_FETCH_ERRORS = (OSError, RuntimeError, ValueError)
# What PyTorch, OpenCLIP and safetensors raise over a file that is damaged or of another model.
_LOAD_ERRORS = (
    AssertionError,
    AttributeError,
    EOFError,
    KeyError,
    MemoryError,
    OSError,
    RuntimeError,
    SafetensorError,
    StopIteration,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
)
_POSITIONS = ("visual.positional_embedding", "positional_embedding", "text.positional_embedding")


class Towers:
    """A loaded model. Several threads may use it at once."""

    def __init__(self, model: Any, facts: ModelFacts, way: Way) -> None:
        self._model = model
        self._facts = facts
        self._device = torch.device(way.device)
        self._dtype = open_clip.get_input_dtype(way.precision) or torch.float32

    def pictures(self, pixels: Rows) -> Rows:
        """Return the rows of pixels, shape (n, 3, height, width). Raises EncoderError."""

        def forward() -> Any:
            given = torch.from_numpy(pixels).to(self._device, self._dtype)
            return self._model.encode_image(given)

        return self._run(forward, f"{len(pixels)} pictures")

    def texts(self, ids: Integers) -> Rows:
        """Return the rows of tokens, shape (n, length). Raises EncoderError."""

        def forward() -> Any:
            given = torch.from_numpy(ids).to(self._device)
            if ids.shape[1] == self._facts.max_tokens:
                return self._model.encode_text(given)
            return encode_shorter(self._model, given)

        return self._run(forward, f"texts of {ids.shape} tokens")

    def _run(self, forward: Callable[[], Any], given: str) -> Rows:
        try:
            with torch.inference_mode():
                rows: Rows = forward().float().cpu().numpy()
        except RuntimeError as error:
            raise EncoderError(
                f"The encoder {self._facts.name.id!r} failed on {given}: {short_reason(error)}.",
                hint="If it is short of memory, set `encoder.batch_size` to less.",
            ) from error
        return rows


def look_for_cuda() -> Cuda:
    """Return what PyTorch finds here."""
    available = torch.cuda.is_available()
    return Cuda(
        built=torch.backends.cuda.is_built(),
        available=available,
        # An older card computes bf16 in fp32, slower than fp32 itself.
        bf16=available and torch.cuda.is_bf16_supported(including_emulation=False),
    )


def load_towers(facts: ModelFacts, way: Way) -> Towers:
    """Return the towers of a model, loaded. Raises what `load_model` does."""
    return Towers(load_model(facts, way), facts, way)


def load_model(facts: ModelFacts, way: Way) -> Any:
    """Return OpenCLIP's model with its weights, fetched if they are of a tag and not here yet.

    Raises:
        WeightsNotFoundError: They cannot be fetched or read, or are those of another model.
        EncoderError: There is no memory for them.
    """
    file = facts.name.checkpoint or _fetch(facts)
    shapes = _read_shapes(file, facts) if facts.name.checkpoint else {}
    try:
        model = open_clip.create_model(
            facts.name.architecture,
            pretrained=str(file),
            # It must not go on with random weights, nor run what a checkpoint holds.
            require_pretrained=True,
            weights_only=True,
            precision=way.precision,
            device=way.device,
            force_quick_gelu=facts.quick_gelu,
        )
    except _LOAD_ERRORS as error:
        if is_out_of_memory(error):
            raise EncoderError(
                f"The model {facts.name.id!r} does not fit into memory: {short_reason(error)}.",
                hint="Look what else takes the memory of the device, set `encoder.precision` to "
                "`bf16` or `encoder.device` to `cpu`, or take a smaller model.",
            ) from error
        if facts.name.checkpoint is None:
            raise _unreadable(file, facts, error) from error
        raise WeightsNotFoundError(
            f"The checkpoint {str(file)!r} is not of {facts.name.architecture!r}: "
            f"{short_reason(error)}.",
            hint="Name the architecture that it was trained as: `open_clip:NAME:CHECKPOINT`.",
        ) from error
    _refuse_resized(file, shapes, model, facts)
    logger.info("%s: loaded from %s, %s in %s", facts.name.id, file, way.device, way.precision)
    # A new model is in the mode for training, in which batch norm and dropout mix rows.
    return model.eval()


def _fetch(facts: ModelFacts) -> Path:
    config = open_clip.get_pretrained_cfg(facts.name.architecture, facts.name.tag)
    try:
        return Path(open_clip.download_pretrained(config))
    except _FETCH_ERRORS as error:
        raise WeightsNotFoundError(
            f"The weights of {facts.name.id!r} are neither here nor can they be fetched: "
            f"{short_reason(error)}.",
            hint="Look at the network and at HF_HUB_OFFLINE and HF_ENDPOINT, or name a file: "
            f"`open_clip:{facts.name.architecture}/{facts.name.tag}:CHECKPOINT`.",
        ) from error


def _read_shapes(file: Path, facts: ModelFacts) -> dict[str, tuple[int, ...]]:
    """Return the shapes of what a checkpoint holds; it is read once more when it is loaded."""
    try:
        state = open_clip.factory.load_state_dict(str(file))
        return {name: tuple(tensor.shape) for name, tensor in state.items()}
    except _LOAD_ERRORS as error:
        raise _unreadable(file, facts, error) from error


def _refuse_resized(
    file: Path, shapes: Mapping[str, tuple[int, ...]], model: Any, facts: ModelFacts
) -> None:
    # OpenCLIP stretches the positions of a model for another size of pictures or texts to fit,
    # and says so only in its log.
    mine = model.state_dict()
    for name in _POSITIONS:
        if name in shapes and name in mine and shapes[name] != tuple(mine[name].shape):
            raise WeightsNotFoundError(
                f"The checkpoint {str(file)!r} has {shapes[name]} positions, but "
                f"{facts.name.architecture!r} has {tuple(mine[name].shape)}.",
                hint="Name the architecture that it was trained as, for the same size of "
                "pictures and length of texts.",
            )


def encode_shorter(model: Any, ids: Any) -> Any:
    """Return what `encode_text` of a causal model would for ids padded to all positions.

    The tower reads the position of the end of a text, so what follows is not missed; but
    OpenCLIP's own method takes all positions only.
    """
    tower = getattr(model, "text", model)
    length = ids.shape[1]
    dtype = tower.transformer.get_cast_dtype()
    states = tower.token_embedding(ids).to(dtype) + tower.positional_embedding[:length].to(dtype)
    states = tower.transformer(states, attn_mask=tower.attn_mask[:length, :length])
    rows = tower.ln_final(states)[torch.arange(ids.shape[0], device=ids.device), ids.argmax(dim=-1)]
    projection = tower.text_projection
    if projection is None:
        return rows
    return projection(rows) if isinstance(projection, torch.nn.Module) else rows @ projection


def _unreadable(file: Path, facts: ModelFacts, error: BaseException) -> WeightsNotFoundError:
    return WeightsNotFoundError(
        f"The weights of {facts.name.id!r} cannot be loaded from {str(file)!r}: "
        f"{short_reason(error)}.",
        hint="The file may have been cut off; copy or fetch it again. A `.pt` must hold nothing "
        "but tensors.",
    )

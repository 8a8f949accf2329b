"""The head of a GGUF file: which model it holds, read without loading it.

Reads the form of ggml, versions 2 and 3. Knows no weights, only where they begin.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from florilegium.errors import WeightsNotFoundError

VISION: Final = "clip"
"""The architecture that the vision part of a model is filed under."""

_MAGIC: Final = b"GGUF"
_VERSIONS: Final = (2, 3)
_ALIGNMENT: Final = 32
_MOST_DIMENSIONS: Final = 4
_DEEPEST: Final = 4
_TEXT: Final = 8
_ARRAY: Final = 9
_FORMATS: Final[Mapping[int, str]] = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}
_QUANTIZATIONS: Final[Mapping[object, str]] = {
    0: "F32",
    1: "F16",
    2: "Q4_0",
    3: "Q4_1",
    7: "Q8_0",
    8: "Q5_0",
    9: "Q5_1",
    10: "Q2_K",
    11: "Q3_K_S",
    12: "Q3_K_M",
    13: "Q3_K_L",
    14: "Q4_K_S",
    15: "Q4_K_M",
    16: "Q5_K_S",
    17: "Q5_K_M",
    18: "Q6_K",
    19: "IQ2_XXS",
    20: "IQ2_XS",
    21: "Q2_K_S",
    22: "IQ3_XS",
    23: "IQ3_XXS",
    24: "IQ1_S",
    25: "IQ4_NL",
    26: "IQ3_S",
    27: "IQ3_M",
    28: "IQ2_S",
    29: "IQ2_M",
    30: "IQ4_XS",
    31: "IQ1_M",
    32: "BF16",
    36: "TQ1_0",
    37: "TQ2_0",
    38: "MXFP4",
}

_Value = str | int | float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufHead:
    """What a GGUF file says of itself; empty or None where it says nothing."""

    architecture: str
    name: str = ""
    context_tokens: int | None = None
    has_template: bool = False
    quantization: str = ""
    parts: int = 1


def read_head(file: Path) -> GgufHead:
    """Return the head of a GGUF file.

    Raises:
        WeightsNotFoundError: It cannot be read, is no GGUF file, or is damaged or cut short.
    """
    try:
        with file.open("rb") as stream:
            if stream.read(len(_MAGIC)) != _MAGIC:
                raise WeightsNotFoundError(
                    f"{str(file)!r} is no GGUF file.",
                    hint="llama.cpp reads GGUF files only; name one that ends in .gguf.",
                )
            with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _read(data)
    except OSError as error:
        raise WeightsNotFoundError(
            f"{str(file)!r} cannot be read: {error.strerror}.",
            hint="Mend the path in chat.name or chat.mmproj, or the rights of the file.",
        ) from error
    except (ValueError, struct.error) as error:
        raise WeightsNotFoundError(
            f"The GGUF file {str(file)!r} is damaged or cut short: {error}.",
            hint="Fetch it again; the download may not have finished.",
        ) from error


def _read(data: mmap.mmap) -> GgufHead:
    cursor = _Cursor(data, len(_MAGIC))
    version = cursor.number("<I")
    if version not in _VERSIONS:
        raise ValueError(f"its version is {version}, and {_VERSIONS} are known")
    tensors, count = cursor.number("<Q"), cursor.number("<Q")
    values: dict[str, _Value] = {}
    for _ in range(int(count)):
        key = cursor.text()
        values[key] = cursor.value(int(cursor.number("<I")))
    _check_size(cursor, int(tensors), values.get("general.alignment"))
    architecture = str(values.get("general.architecture") or "")
    context = values.get(f"{architecture}.context_length")
    parts = values.get("split.count")
    return GgufHead(
        architecture=architecture,
        name=str(values.get("general.name") or ""),
        context_tokens=context if isinstance(context, int) else None,
        has_template=bool(values.get("tokenizer.chat_template")),
        quantization=_QUANTIZATIONS.get(values.get("general.file_type"), ""),
        parts=parts if isinstance(parts, int) and parts else 1,
    )


def _check_size(cursor: _Cursor, tensors: int, alignment: _Value) -> None:
    """Raise ValueError if the last tensor would begin after the end of the file."""
    last = -1
    for _ in range(tensors):
        cursor.text()
        dimensions = int(cursor.number("<I"))
        if dimensions > _MOST_DIMENSIONS:
            raise ValueError(f"a tensor has {dimensions} dimensions")
        cursor.skip(8 * dimensions + 4)
        last = max(last, int(cursor.number("<Q")))
    step = alignment if isinstance(alignment, int) and alignment > 0 else _ALIGNMENT
    begins = -(-cursor.position // step) * step + last
    if tensors and begins >= cursor.size:
        raise ValueError(f"it has {cursor.size} bytes, and its last tensor begins at {begins}")


class _Cursor:
    """A place in a file that only moves forward, and never beyond the end."""

    def __init__(self, data: mmap.mmap, position: int) -> None:
        self._data = data
        self.position = position
        self.size = len(data)

    def number(self, form: str) -> int | float:
        (found,) = struct.unpack_from(form, self._data, self.position)
        self.position += struct.calcsize(form)
        return found  # type: ignore[no-any-return]  # one of the formats of numbers

    def skip(self, count: int) -> None:
        self.position += count
        if self.position > self.size:
            raise ValueError("it ends within its head")

    def text(self) -> str:
        length = int(self.number("<Q"))
        begin = self.position
        self.skip(length)
        return self._data[begin : self.position].decode("utf-8", "replace")

    def value(self, kind: int) -> _Value:
        """Return a number or a text; None for an array, whose values nobody here needs."""
        if kind == _TEXT:
            return self.text()
        if kind == _ARRAY:
            self._skip_array(_DEEPEST)
            return None
        return self.number(_format(kind))

    def _skip_array(self, depth: int) -> None:
        kind, count = int(self.number("<I")), int(self.number("<Q"))
        if kind == _TEXT:
            self._skip_texts(count)
        elif kind != _ARRAY:
            self.skip(count * struct.calcsize(_format(kind)))
        elif depth:
            for _ in range(count):
                self._skip_array(depth - 1)
        else:
            raise ValueError("its arrays hold arrays without end")

    def _skip_texts(self, count: int) -> None:
        # A vocabulary has hundreds of thousands of them, so this loop does without methods.
        length_at, data, position = struct.Struct("<Q").unpack_from, self._data, self.position
        for _ in range(count):
            position += 8 + length_at(data, position)[0]
        self.position = position
        self.skip(0)


def _format(kind: int) -> str:
    if kind not in _FORMATS:
        raise ValueError(f"it has a value of the unknown type {kind}")
    return _FORMATS[kind]

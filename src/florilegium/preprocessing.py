"""From a picture to the numbers that a vision tower reads, as the model's own configuration says.

Follows the image processors of transformers (CLIP, SigLIP) and the evaluation transforms of
OpenCLIP, to the last pixel but for rounding. Pure: knows Pillow and numpy, no file and no model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image

from florilegium.errors import EncoderError

Fit: TypeAlias = Literal["shortest", "squash", "longest"]
Rounding: TypeAlias = Literal["floor", "even"]
Colour: TypeAlias = tuple[float, float, float]
Resampling: TypeAlias = Literal["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"]

_RESAMPLINGS: Mapping[int, Resampling] = {
    0: "nearest",
    1: "lanczos",
    2: "bilinear",
    3: "bicubic",
    4: "box",
    5: "hamming",
}
_LONGEST = 8  # sides of what is scaled before the middle is cut out of it
_MARK = "florilegium.preprocessing"
_HINT = "Use a model whose preprocessing is that of CLIP or SigLIP."


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocessing:
    """How a model wants its pictures.

    `fit` says how a picture comes to `width` × `height` pixels: its shorter side is scaled to
    `side` and the middle is cut out; it is squashed; or its longer side is scaled to fit and the
    rest is filled with `fill`. Each colour value in 0 to 255 becomes
    `(value * scale - mean) / std`.
    """

    width: int
    height: int
    side: int
    fit: Fit
    resampling: Resampling
    mean: Colour
    std: Colour
    scale: float = 1 / 255
    fill: int = 0
    rounding: Rounding = "floor"
    """Where the middle is when it lies between two pixels; transformers and OpenCLIP differ."""

    @staticmethod
    def from_transformers(config: Mapping[str, Any]) -> Preprocessing:
        """Return what a `preprocessor_config.json` says. Raises EncoderError."""
        return _followed(_from_transformers, config, what="preprocessor_config.json")

    @staticmethod
    def from_open_clip(config: Mapping[str, Any]) -> Preprocessing:
        """Return what OpenCLIP's `preprocess_cfg` says. Raises EncoderError."""
        return _followed(_from_open_clip, config, what="preprocess_cfg of OpenCLIP")

    @staticmethod
    def from_json(tree: Mapping[str, Any]) -> Preprocessing:
        """Return what `to_json` gave. Raises KeyError, TypeError or ValueError if it is not."""
        pairs = {"mean": _colour(tree["mean"]), "std": _colour(tree["std"])}
        return _checked(Preprocessing(**{**tree, **pairs}))

    def to_json(self) -> dict[str, Any]:
        """Return all of it as values that JSON knows."""
        return asdict(self)

    def prepare(self, image: Image.Image) -> Image.Image:
        """Return the picture as RGB of the size that the model reads; a prepared one as it is."""
        if image.info.get(_MARK) == self:
            return image
        colours = image if image.mode == "RGB" else image.convert("RGB")
        prepared = self._fitted(colours)
        if prepared is image:
            prepared = image.copy()
        # Not by its size: a picture that happens to have it may still have to be scaled.
        prepared.info = {_MARK: self}
        return prepared

    def to_pixels(self, images: Sequence[Image.Image]) -> npt.NDArray[np.float32]:
        """Return pictures as float32 of shape (n, 3, height, width), prepared if they are not."""
        pixels = np.empty((len(images), 3, self.height, self.width), dtype=np.float32)
        for place, image in enumerate(images):
            pixels[place] = np.asarray(self.prepare(image)).transpose(2, 0, 1)
        std = np.asarray(self.std, dtype=np.float64)
        pixels *= (self.scale / std).astype(np.float32)[:, None, None]
        pixels -= (np.asarray(self.mean) / std).astype(np.float32)[:, None, None]
        return pixels

    def _fitted(self, image: Image.Image) -> Image.Image:
        filter_ = Image.Resampling[self.resampling.upper()]
        if self.fit == "squash":
            return image.resize((self.width, self.height), filter_)
        if self.fit == "longest":
            return self._padded(image, filter_)
        scaled = _scaled_to_shorter(image.size, self.side)
        left, top = self._middle(scaled[0], self.width), self._middle(scaled[1], self.height)
        right, bottom = left + self.width, top + self.height
        if max(scaled) <= _LONGEST * self.side:
            return image.resize(scaled, filter_).crop((left, top, right, bottom))
        # Scaling the whole of a thin strip would take gigabytes. Pillow may do the two directions
        # in another order here, so that a value can differ where a filter overshoots.
        across, down = image.width / scaled[0], image.height / scaled[1]
        box = (left * across, top * down, right * across, bottom * down)
        return image.resize((self.width, self.height), filter_, box=box)

    def _padded(self, image: Image.Image, filter_: Image.Resampling) -> Image.Image:
        ratio = max(image.height / self.height, image.width / self.width)
        size = (max(1, round(image.width / ratio)), max(1, round(image.height / ratio)))
        page = Image.new("RGB", (self.width, self.height), (self.fill,) * 3)
        place = ((self.width - size[0]) // 2, (self.height - size[1]) // 2)
        page.paste(image.resize(size, filter_), place)
        return page

    def _middle(self, long: int, short: int) -> int:
        rest = long - short
        return rest // 2 if self.rounding == "floor" else round(rest / 2)


def _scaled_to_shorter(size: tuple[int, int], side: int) -> tuple[int, int]:
    width, height = size
    if width <= height:
        return side, int(side * height / width)
    return int(side * width / height), side


def _from_transformers(config: Mapping[str, Any]) -> Preprocessing:
    if "max_num_patches" in config:
        raise ValueError("pictures of variable size, as of SigLIP 2 NaFlex, are not supported")
    if not config.get("do_resize", True):
        raise ValueError("it does not scale pictures")
    size = config["size"]
    cut = config.get("do_center_crop", "crop_size" in config)
    if isinstance(size, int):
        size = {"shortest_edge": size} if cut else {"height": size, "width": size}
    if "shortest_edge" in size:
        if not cut:
            raise ValueError("it leaves pictures of different shapes")
        crop = config["crop_size"]
        crop = {"height": crop, "width": crop} if isinstance(crop, int) else crop
        fit: Fit = "shortest"
        side = int(size["shortest_edge"])
    else:
        crop, fit = size, "squash"
        side = max(int(size["height"]), int(size["width"]))
        if cut and config.get("crop_size") not in {None, side} and config["crop_size"] != size:
            raise ValueError("it squashes and then cuts")
    resample = config.get("resample", 3)
    normalises = config.get("do_normalize", True)
    return Preprocessing(
        width=int(crop["width"]),
        height=int(crop["height"]),
        side=side,
        fit=fit,
        resampling=_RESAMPLINGS[int(resample)],
        mean=_colour(config["image_mean"]) if normalises else (0.0, 0.0, 0.0),
        std=_colour(config["image_std"]) if normalises else (1.0, 1.0, 1.0),
        scale=float(config.get("rescale_factor", 1 / 255))
        if config.get("do_rescale", True)
        else 1.0,
    )


def _from_open_clip(config: Mapping[str, Any]) -> Preprocessing:
    size = config["size"]
    height, width = (size, size) if isinstance(size, int) else size
    fit: Fit = config.get("resize_mode") or "shortest"
    if fit == "shortest" and height != width:
        raise ValueError("it cuts a shape that is no square out of the middle")
    interpolation = config.get("interpolation", "bicubic")
    # `random` is for training; OpenCLIP then evaluates with bicubic.
    resampling: Resampling = "bicubic" if interpolation == "random" else interpolation
    fill = config.get("fill_color") or 0
    if not isinstance(fill, int):
        raise TypeError(f"the colour {fill!r} to fill with is no shade of grey")
    return Preprocessing(
        width=int(width),
        height=int(height),
        side=max(int(width), int(height)),
        fit=fit,
        resampling=resampling,
        mean=_colour(config["mean"]),
        std=_colour(config["std"]),
        fill=fill,
        rounding="even",
    )


def _followed(
    read: Callable[[Mapping[str, Any]], Preprocessing], config: Mapping[str, Any], *, what: str
) -> Preprocessing:
    try:
        return _checked(read(config))
    except (KeyError, TypeError, ValueError) as error:
        reason = f"it has no {error!s}" if isinstance(error, KeyError) else str(error)
        raise EncoderError(f"The {what} cannot be followed: {reason}.", hint=_HINT) from error


def _checked(found: Preprocessing) -> Preprocessing:
    if found.fit not in get_args(Fit) or found.rounding not in get_args(Rounding):
        raise ValueError(f"{found.fit!r} is no way to fit a picture")
    if found.resampling not in get_args(Resampling):
        raise ValueError(f"{found.resampling!r} is no way to resample")
    if min(found.width, found.height, found.side) < 1:
        raise ValueError(f"a size of {found.width} × {found.height} is none")
    if found.fit == "shortest" and found.side < max(found.width, found.height):
        raise ValueError(f"a side of {found.side} is too short to cut from")
    if not all(math.isfinite(value) for value in (*found.mean, found.scale)):
        raise ValueError("its mean or scale is not a number")
    if not all(value > 0 and math.isfinite(value) for value in found.std):
        raise ValueError("its standard deviation is not positive")
    return found


def _colour(values: Sequence[float]) -> Colour:
    red, green, blue = (float(value) for value in values)
    return red, green, blue

"""The folder of the demo: where its pictures come from, and how they get there.

The pictures are those that scikit-image and scikit-learn ship; they are found without importing
these packages, which is slow. Knows neither the command line nor the index.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from PIL import Image

from florilegium.config import INDEX_FOLDER
from florilegium.errors import ConfigError, MissingExtraError

ARTICLES: Final = Path(__file__).parent / "articles"
CROPS: Final = f"{INDEX_FOLDER}/demo"
"""Where the query pictures lie in a demo folder; that it is there marks a folder as ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoPicture:
    """A picture of another package: its name in the demo, the package, and the path there."""

    name: str
    package: str
    path: str


def _scikit_image(name: str, path: str) -> DemoPicture:
    return DemoPicture(name=name, package="skimage", path=f"data/{path}")


def _scikit_learn(name: str, path: str) -> DemoPicture:
    return DemoPicture(name=name, package="sklearn", path=f"datasets/images/{path}")


PICTURES: Final = (
    _scikit_image("astronaut.png", "astronaut.png"),
    _scikit_image("brick.png", "brick.png"),
    _scikit_image("cameraman.png", "camera.png"),
    _scikit_image("cat.png", "chelsea.png"),
    _scikit_image("clock.png", "clock_motion.png"),
    _scikit_image("coffee.png", "coffee.png"),
    _scikit_image("coins.png", "coins.png"),
    _scikit_learn("flower.jpg", "flower.jpg"),
    _scikit_image("galaxies.jpg", "hubble_deep_field.jpg"),
    _scikit_image("grass.png", "grass.png"),
    _scikit_image("gravel.png", "gravel.png"),
    _scikit_image("moon.png", "moon.png"),
    _scikit_image("motorcycle.png", "motorcycle_left.png"),
    _scikit_image("retina.jpg", "retina.jpg"),
    _scikit_image("rocket.jpg", "rocket.jpg"),
    _scikit_learn("temple.jpg", "china.jpg"),
)
QUERY_PICTURES: Final = ("cat.png", "flower.jpg")


def find_picture(picture: DemoPicture) -> Path:
    """Return where a picture lies on this machine.

    Raises:
        MissingExtraError: Its package is not installed, or has no such picture.
    """
    spec = find_spec(picture.package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        file = Path(folder) / picture.path
        if file.is_file():
            return file
    raise MissingExtraError(
        f"The demo needs the picture {picture.path!r} of the package {picture.package!r}, "
        "which is not installed.",
        hint="Install the pictures with `pip install 'florilegium[demo]'`.",
    )


def check_folder(folder: Path) -> bool:
    """Return whether `folder` is a demo library already; False means it can become one.

    Raises:
        ConfigError: It holds something else.
    """
    if (folder / CROPS).is_dir():
        return True
    if folder.is_dir() and not any(folder.iterdir()):
        return False
    if folder.exists():
        raise ConfigError(
            f"{str(folder)!r} exists and is not a demo library; nothing in it was touched.",
            hint="Name another folder with --folder, or remove this one.",
        )
    return False


def fill_folder(folder: Path) -> int:
    """Copy the pictures and articles that are not in `folder` yet; return how many.

    A file that is there stays as it is, so that changes to it are kept.

    Raises:
        MissingExtraError: A package with pictures is not installed; nothing was copied then.
    """
    files = {picture.name: find_picture(picture) for picture in PICTURES}
    files |= {file.name: file for file in sorted(ARTICLES.iterdir()) if file.is_file()}
    missing = {name: file for name, file in files.items() if not (folder / name).exists()}
    for name, file in missing.items():
        shutil.copyfile(file, folder / name)
    return len(missing)


def make_query_pictures(folder: Path) -> dict[str, Path]:
    """Write cropped and shrunken copies of two pictures, which are new files to the index.

    Returns:
        The file of each copy, by the name of the picture it was made from. They lie in a folder
        that is never indexed.
    """
    crops = folder / CROPS
    crops.mkdir(parents=True, exist_ok=True)
    files: dict[str, Path] = {}
    for name in QUERY_PICTURES:
        files[name] = crops / f"{Path(name).stem}-crop.jpg"
        with Image.open(folder / name) as image:
            crop_middle(image.convert("RGB")).save(files[name], quality=85)
    return files


def crop_middle(image: Image.Image) -> Image.Image:
    """Return the middle 80% of a picture in each direction, at 70% of its size."""
    width, height = image.size
    left, top = width // 10, height // 10
    middle = image.crop((left, top, width - left, height - top))
    return middle.resize((max(1, middle.width * 7 // 10), max(1, middle.height * 7 // 10)))

"""Look at a folder of images, one folder for each class; say what is wrong with one that cannot be used."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from statistics import median_low
from typing import TYPE_CHECKING

from PIL import Image

from mlxkit.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from mlxkit.scaffold.request import Request

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
FEWEST_IMAGES = 20
FEWEST_OF_A_CLASS = 5
_SIZES = (32, 16, 8)
_GREY = frozenset({"1", "L", "LA"})
_PARTS_OF_A_SPLIT = frozenset({"test", "testing", "train", "training", "val", "valid", "validation"})


@dataclass(frozen=True)
class ImageFolder:
    """A folder of images.

    Attributes:
        images: inside the folder, sorted; the first part of each is its class.
        classes: with their numbers of images, sorted.
        size: side of the square that the images are to be scaled to.
        mode: as Pillow names it: "L" where all images are grey, else "RGB".
        others: how many files are no images of a class.
    """

    folder: Path
    images: tuple[Path, ...]
    classes: dict[str, int]
    size: int
    mode: str
    others: int


def read_folder(folder: Path, request: Request) -> ImageFolder:
    """Look at every image in a folder.

    Raises:
        DataError: there are too few images or classes, or an image cannot be read.
    """
    _check_folder(folder, request)
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    images = sorted(path for path in files if _is_image_of_a_class(path))
    classes = dict(sorted(Counter(path.parts[0] for path in images).items()))
    _check_classes(folder, classes, request)
    looks = [_look(folder / path) for path in images]
    size = median_low(min(look.size) for look in looks)
    return ImageFolder(
        folder=folder,
        images=tuple(images),
        classes=classes,
        size=next((known for known in _SIZES if known <= size), _SIZES[-1]),
        mode="L" if all(look.mode in _GREY for look in looks) else "RGB",
        others=len(files) - len(images),
    )


def _is_image_of_a_class(path: Path) -> bool:
    hidden = any(part.startswith((".", "__")) for part in path.parts)
    return len(path.parts) > 1 and path.suffix.lower() in SUFFIXES and not hidden


def _look(path: Path) -> Image.Image:
    """Return size and mode of an image, without its pixels."""
    try:
        with Image.open(path) as image:
            return image
    except OSError as error:
        raise DataError(
            f"'{path}' cannot be read as an image",
            context=(str(error),),
            hint="remove the file, or replace it by an intact one",
        ) from error


def _check_folder(folder: Path, request: Request) -> None:
    if folder.is_file():
        raise DataError(
            f"'{folder}' is a file; the template 'torch' takes a folder with a folder for each class",
            hint=request.hint(template="tabular"),
        )
    if not folder.is_dir():
        raise DataError(f"there is no folder '{folder}'", hint="name the folder of the images after --data")


def _check_classes(folder: Path, classes: dict[str, int], request: Request) -> None:
    found = tuple(f"{name}: {count}" for name, count in classes.items())
    if classes and {name.lower() for name in classes} <= _PARTS_OF_A_SPLIT:
        raise DataError(
            f"'{folder}' holds images that are split already, and mlx splits them itself",
            context=found,
            hint=request.hint(data=folder / max(classes, key=classes.__getitem__)),
        )
    if len(classes) < 2:
        raise DataError(
            f"'{folder}' has images of {len(classes)} classes, and 2 are the fewest",
            context=(*found, f"images: {', '.join(sorted(SUFFIXES))}"),
            hint="give each class a folder of its own: CLASS/NAME.png",
        )
    rare = [name for name, count in classes.items() if count < FEWEST_OF_A_CLASS]
    if rare or sum(classes.values()) < FEWEST_IMAGES:
        raise DataError(
            f"{FEWEST_IMAGES} images are needed, and {FEWEST_OF_A_CLASS} of each class",
            context=found,
            hint="add images, or remove the folders of rare classes",
        )

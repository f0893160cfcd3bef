"""A project for images: check everything, write the whole of it, put it in place in one step."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from mlxkit.errors import UsageError
from mlxkit.scaffold.answers import first_gate
from mlxkit.scaffold.hold_out import hold_out_random
from mlxkit.scaffold.image_answers import ImageAnswers
from mlxkit.scaffold.names import author, dataset_name, package_name
from mlxkit.scaffold.new_folder import goal, new_folder
from mlxkit.scaffold.project_tree import Scaffolded
from mlxkit.scaffold.render import find_ci, find_template, render_project

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from mlxkit.scaffold.image_folder import ImageFolder
    from mlxkit.scaffold.request import Request

_OPTIONS_OF_TABLES: Mapping[str, object] = {
    **dict.fromkeys(("target", "task", "time", "key", "positive")),
    **dict.fromkeys(("drop", "keep"), ()),
    "read": {},
    "type": {},
}
"""What goes with tables, and what a request has that does not name it."""
_FEW_IMAGES = 10


def scaffold_images(request: Request) -> Scaffolded:
    """Write a new project for the images of a folder, or for the starter data.

    Nothing is written until name, folder and images have been checked.

    Raises:
        UsageError: the name or folder cannot be used, or an option is one for tables.
        DataError: the images cannot be used.
    """
    # Pillow is imported only for images.
    from mlxkit.scaffold.image_folder import read_folder
    from mlxkit.scaffold.starter import write_digits

    folder = goal(request)
    template, ci = find_template(request), find_ci(request)
    _check_options(request)
    with tempfile.TemporaryDirectory() as starter:
        images = read_folder(request.data or write_digits(Path(starter, "digits")), request)
        held = _held_out(images, request.seed)
        answers = replace(_answers(images, held, name=folder.name, seed=request.seed), within=request.within)
        with new_folder(folder) as unfinished:
            render_project(template, ci, unfinished, answers)
            for image, is_held in zip(images.images, held, strict=True):
                copy = unfinished / (answers.new_images_path if is_held else answers.raw_path) / image
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(images.folder / image, copy)
    return Scaffolded(
        root=folder,
        answers=answers,
        columns=(),
        warnings=_warnings(images),
        raw_path=Path(answers.raw_path),
        new_rows_path=Path(answers.new_rows_path),
        tracked=(Path(answers.raw_path), Path(answers.new_images_path)),
        summary=_summary(images),
    )


def _check_options(request: Request) -> None:
    for option, nothing in _OPTIONS_OF_TABLES.items():
        if getattr(request, option):
            raise UsageError(
                f"'--{option}' goes with tables; the class of an image is the name of its folder",
                hint=request.hint(**{option: nothing}),
            )


def _held_out(images: ImageFolder, seed: int) -> NDArray[np.bool_]:
    labels = pd.Series([path.parts[0] for path in images.images])
    return hold_out_random(labels, len(labels), seed=seed)


def _answers(images: ImageFolder, held: NDArray[np.bool_], *, name: str, seed: int) -> ImageAnswers:
    dataset, new = dataset_name(images.folder.name), int(held.sum())
    return ImageAnswers(
        project=name,
        package=package_name(name),
        author=author(),
        classes=images.classes,
        images=len(images.images) - new,
        new_images=new,
        size=images.size,
        mode=images.mode,
        channels=(32, 64, 128) if images.size > 16 else (32, 64),
        raw_path=f"data/raw/{dataset}",
        new_images_path="data/external/new_images",
        new_rows_path="data/processed/new_rows.parquet",
        gate=first_gate("classification", len(images.classes)),
        seed=seed,
    )


def _summary(images: ImageFolder) -> str:
    colours = "grey" if images.mode == "L" else "in colours"
    classes = f"{len(images.images)} images of {len(images.classes)} classes"
    return f"{classes}, {colours}, scaled to {images.size} x {images.size} pixels"


def _warnings(images: ImageFolder) -> tuple[str, ...]:
    warnings = []
    if images.others:
        warnings.append(
            f"{images.others} files are left out, since they are no images in the folder of a class"
        )
    rare = [name for name, count in images.classes.items() if count < _FEW_IMAGES]
    if rare:
        warnings.append(f"of some classes there are fewer than {_FEW_IMAGES} images: {', '.join(rare[:5])}")
    return tuple(warnings)

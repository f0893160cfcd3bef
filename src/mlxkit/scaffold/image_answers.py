"""Everything that a template of a project for images needs to know."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlxkit.scaffold.requirements import OF_IMAGES, Requirements

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlxkit.project.models import Task
    from mlxkit.scaffold.answers import Gate


@dataclass(frozen=True)
class ImageAnswers:
    """What the templates are filled in with.

    Attributes:
        classes: with how many of the images each has.
        size: of the square, in pixels, to which images are scaled.
        mode: as Pillow names it: "L" for grey, "RGB" for colours.
        channels: of the network's blocks, each of which halves the image.
        raw_path: folder of the images, relative to the project's root; likewise the following.
        new_images_path: folder of the images that are held out.
        new_rows_path: table that a stage makes of these.
        read: how tables are read that no stage makes: there are none.
        within: the project's path in the repository that it lies in, with a slash at its end; else empty.
    """

    project: str
    package: str
    author: str
    classes: Mapping[str, int]
    images: int
    new_images: int
    size: int
    mode: str
    channels: tuple[int, ...]
    raw_path: str
    new_images_path: str
    new_rows_path: str
    gate: Gate
    seed: int
    task: Task = "classification"
    target: str = "label"
    read: Mapping[str, Any] = field(default_factory=dict)
    within: str = ""
    requires: Requirements = OF_IMAGES

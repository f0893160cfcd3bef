"""The starter data: real data sets that come with scikit-learn, under readable names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from mlxkit.project.models import Task
    from mlxkit.scaffold.request import Request


def with_starter_data(request: Request, folder: Path) -> tuple[Request, Path]:
    """Write the starter data of the request's task into `folder`; return the request for it, and the file."""
    task: Task = request.task or "classification"
    match task:
        case "classification":
            path, frame = folder / "breast_cancer.csv", _breast_cancer()
            asked = replace(request, target="diagnosis", positive="malignant")
        case "regression":
            path, frame = folder / "diabetes.csv", _diabetes()
            asked = replace(request, target="progression")
    frame.to_csv(path, index=False, lineterminator="\n")
    return replace(asked, data=Path(path.name), task=task), path


def _breast_cancer() -> pd.DataFrame:
    """569 biopsies, 30 measurements each (Wisconsin diagnostic data)."""
    from sklearn import datasets  # most of the time of its import would be lost on a file of the user's own

    bunch = datasets.load_breast_cancer(as_frame=True)
    frame: pd.DataFrame = bunch.data.rename(columns=lambda name: name.replace(" ", "_"))
    return frame.assign(diagnosis=[str(bunch.target_names[label]) for label in bunch.target])


def _diabetes() -> pd.DataFrame:
    """442 patients, ten measurements each, and their disease after a year (Efron et al., 2004)."""
    from sklearn import datasets

    bunch = datasets.load_diabetes(as_frame=True, scaled=False)
    frame: pd.DataFrame = bunch.data
    return frame.assign(progression=bunch.target)


def write_digits(folder: Path) -> Path:
    """Write 1,797 handwritten digits (Kaynak, 1995), 8 x 8 pixels each, as images; return their folder."""
    from PIL import Image
    from sklearn import datasets

    bunch = datasets.load_digits()
    for label in bunch.target_names:
        (folder / str(label)).mkdir(parents=True)
    brightness = (bunch.images * 255 / bunch.images.max()).round().astype("uint8")
    for number, (pixels, label) in enumerate(zip(brightness, bunch.target, strict=True)):
        Image.fromarray(pixels).save(folder / str(label) / f"{number:04}.png")
    return folder

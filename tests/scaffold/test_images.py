"""A project for images: what it is made of, what cannot be used, and that it does its work."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import numpy as np
import pytest
import yaml
from nbclient import NotebookClient
from PIL import Image

from mlxkit.errors import MlxError
from mlxkit.scaffold.images import scaffold_images
from mlxkit.scaffold.request import Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import TmpDir

TREE = """\
.env.example
.github/dependabot.yml
.github/workflows/ci.yml
.github/workflows/drift.yml
.github/workflows/promote.yml
.github/workflows/train.yml
.gitignore
.mlx-template.json
.pre-commit-config.yaml
Makefile
README.md
data/external/.gitkeep
data/interim/.gitkeep
data/processed/.gitkeep
data/raw/.gitkeep
mlx.yaml
models/.gitkeep
notebooks/1.0-{author}-initial-data-exploration.ipynb
params.yaml
pyproject.toml
references/data_dictionary.md
reports/.gitkeep
src/digits/__init__.py
src/digits/data/__init__.py
src/digits/data/make_dataset.py
src/digits/models/__init__.py
src/digits/models/checkpoint.py
src/digits/models/network.py
src/digits/models/predict_model.py
src/digits/models/processes.py
src/digits/models/train_model.py
src/digits/models/training.py
src/digits/visualization/__init__.py
src/digits/visualization/visualize.py
tests/conftest.py
tests/test_make_dataset.py
tests/test_model.py
tests/test_pipeline.py
tests/test_raw_data.py
tests/test_train_model.py
tests/test_visualize.py
"""
LONGEST_NAME = "a-project-with-the-longest-name0"


def photos(folder: Path, *classes: str, count: int = 30, mode: str = "RGB", side: int = 40) -> Path:
    """Write images whose classes differ in brightness."""
    random = np.random.default_rng(0)
    for brightness, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = random.integers(0, 90, (side, side, 3)) + 160 * brightness // max(len(classes) - 1, 1)
            image = Image.fromarray(pixels.astype(np.uint8)).convert(mode)
            image.save(folder / name / f"{number}.png")
    return folder


def refused(request: Request) -> MlxError:
    with pytest.raises(MlxError) as caught:
        scaffold_images(request)
    assert not request.folder.exists()
    return caught.value


def test_the_tree_of_the_starter(tmp_dir: TmpDir) -> None:
    made = scaffold_images(Request(Path("digits"), template="torch"))
    files = [path.relative_to(made.root) for path in made.root.rglob("*") if path.is_file()]
    images = [path for path in files if path.suffix == ".png"]
    others = sorted(path.as_posix() for path in files if path not in images)
    assert "\n".join(others) + "\n" == TREE.replace("{author}", made.answers.author)
    raw, new = ([p for p in images if p.is_relative_to(folder)] for folder in made.tracked)
    assert (len(raw), len(new)) == (1617, 180)
    assert {path.parent.name for path in raw} == {path.parent.name for path in new} == set("0123456789")
    assert made.summary == "1797 images of 10 classes, grey, scaled to 8 x 8 pixels"


def test_a_project_is_made_without_pytorch(tmp_dir: TmpDir) -> None:
    code = "import sys; from mlxkit.cli.app import main; main(sys.argv[1:]); print('torch' in sys.modules)"
    words = [sys.executable, "-c", code, "init", "digits", "--template", "torch", "--quiet"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


def test_own_images_in_colours(tmp_dir: TmpDir) -> None:
    folder = photos(tmp_dir / "My Photos", "a | b", "Größe", "it's")
    (folder / "README.md").write_text("no image")
    made = scaffold_images(Request(Path("photos"), folder, template="torch"))
    params = yaml.safe_load((made.root / "params.yaml").read_text(encoding="utf-8"))
    assert params["images"] == {"size": 32, "mode": "RGB"}
    assert params["network"]["channels"] == [32, 64, 128]
    kept, held = (list((made.root / path).glob("*/*.png")) for path in made.tracked)
    assert (len(kept), len(held)) == (81, 9)
    assert kept[0].read_bytes() == (folder / kept[0].relative_to(made.root / made.raw_path)).read_bytes()
    assert made.warnings == ("1 files are left out, since they are no images in the folder of a class",)


@pytest.mark.parametrize(
    ("option", "value"),
    [("target", "x"), ("task", "regression"), ("key", "x"), ("drop", ("x",)), ("read", {"sep": ";"})],
)
def test_options_of_tables(tmp_dir: TmpDir, option: str, value: object) -> None:
    error = refused(Request(Path("digits"), template="torch", **{option: value}))  # type: ignore[arg-type]
    assert error.message == f"'--{option}' goes with tables; the class of an image is the name of its folder"
    assert error.hint == "run `mlx init digits --template torch`"


def test_folders_that_cannot_be_used(tmp_dir: TmpDir) -> None:
    def error(folder: Path) -> tuple[str, str]:
        found = refused(Request(Path("p"), folder, template="torch"))
        return found.message, found.hint

    tmp_dir.gen({"rows.csv": "a,b", "empty/notes.txt": ""})
    photos(tmp_dir, "flat")
    photos(tmp_dir / "few", "a", "b", count=6)
    photos(tmp_dir / "rare", "a", count=40)
    photos(tmp_dir / "rare", "b", count=3)
    for part, count in (("train", 30), ("test", 10)):
        photos(tmp_dir / "split" / part, "a", "b", count=count)
    photos(tmp_dir / "broken", "a", "b")
    (tmp_dir / "broken/a/0.png").write_text("no image")

    other = "run `mlx init p --data rows.csv`"
    assert error(Path("rows.csv")) == (
        "'rows.csv' is a file; the template 'torch' takes a folder with a folder for each class",
        other,
    )
    assert error(Path("none"))[0] == "there is no folder 'none'"
    for folder in ("empty", "flat"):
        assert error(Path(folder)) == (
            f"'{folder}' has images of 0 classes, and 2 are the fewest",
            "give each class a folder of its own: CLASS/NAME.png",
        )
    for folder in ("few", "rare"):
        assert error(Path(folder))[0] == "20 images are needed, and 5 of each class"
    assert error(Path("split")) == (
        "'split' holds images that are split already, and mlx splits them itself",
        "run `mlx init p --data split/train --template torch`",
    )
    assert error(Path("broken"))[0] == "'broken/a/0.png' cannot be read as an image"


def check(root: Path, *command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=root, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["d", LONGEST_NAME])
def test_style_and_types(tmp_dir: TmpDir, name: str) -> None:
    made = scaffold_images(Request(Path(name), template="torch"))
    check(made.root, "ruff", "check", "--no-cache", ".")
    check(made.root, "ruff", "format", "--no-cache", "--diff", ".")
    check(made.root, "mypy")


@pytest.mark.slow
def test_own_tests(tmp_dir: TmpDir, need: Callable[[str], None]) -> None:
    need("torch")
    made = scaffold_images(Request(Path("tested"), template="torch"))
    check(made.root, "pytest", "-q", "-p", "no:cacheprovider")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the Jupyter client's own
def test_the_notebook_runs(tmp_dir: TmpDir, need: Callable[[str], None]) -> None:
    need("torch")
    root = scaffold_images(Request(Path("looked-at"), template="torch")).root
    (path,) = (root / "notebooks").glob("*.ipynb")
    document = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(path.parent)}}
    NotebookClient(document, timeout=300, resources=resources).execute()
    outputs = [output for cell in document.cells if cell.cell_type == "code" for output in cell.outputs]
    assert len([output for output in outputs if "image/png" in output.get("data", {})]) == 2
    assert not [output for output in outputs if output.get("name") == "stderr"]


def mlx(root: Path, *words: str) -> dict[str, object]:
    done = subprocess.run(["mlx", *words, "--json"], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.slow
def test_trains_goes_on_after_a_cancel_and_is_promoted(tmp_dir: TmpDir, need: Callable[[str], None]) -> None:
    need("torch")
    mlx(tmp_dir, "init", "walked", "--template", "torch")
    root = tmp_dir / "walked"
    metrics = mlx(root, "run")["metrics"]
    assert isinstance(metrics, dict)
    assert metrics["accuracy"] >= 0.98
    assert metrics["roc_auc"] > 0.99
    first = model_hash(root)

    log, checkpoints = root / ".mlx/logs/train.log", root / "models/checkpoints"
    assert list(checkpoints.iterdir()) == []
    shutil.rmtree(root / ".mlx/logs")
    cancelled = subprocess.Popen(["mlx", "train", "--force"], cwd=root, stderr=subprocess.DEVNULL)
    while not (log.exists() and "epoch 2:" in log.read_text()):
        assert cancelled.poll() is None
    cancelled.send_signal(signal.SIGTERM)
    assert cancelled.wait() == 130
    assert len(list(checkpoints.iterdir())) == 1
    mlx(root, "train", "--force")
    assert log.read_text().startswith("going on after ")
    assert model_hash(root) == first

    assert mlx(root, "promote")["promoted"] is True
    drift = mlx(root, "drift", "--data", "data/processed/new_rows.parquet")
    assert (drift["verdict"], drift["rows"]) == ("none", 180)

    found = (root / "reports/metrics.json").read_bytes()
    for words in ("git add .", "git -c user.name=a -c user.email=a@b commit -qm run", "mlx eject --yes"):
        subprocess.run(words.split(), cwd=root, check=True, capture_output=True)
    check(root, "ruff", "format", "--no-cache", "--diff", "pipeline")
    environment = {**os.environ, "PYTHONPATH": "src"}
    subprocess.run([sys.executable, "pipeline/evaluate.py"], cwd=root, env=environment, check=True)
    assert (root / "reports/metrics.json").read_bytes() == found


def model_hash(root: Path) -> str:
    outputs = yaml.safe_load((root / "dvc.lock").read_text())["stages"]["train"]["outs"]
    return str(next(out["md5"] for out in outputs if out["path"] == "models/walked"))

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from mlxkit.errors import ConfigError
from mlxkit.project.load import load

if TYPE_CHECKING:
    from conftest import TmpDir
    from mlxkit.project.models import Project

MLX_YAML = """\
mlx: 1
project: churn
package: churn
task: classification
target: Churn
positive: Yes

stages:
  prepare:
    call: churn.data:prepare
    inputs: {raw: data/raw.csv}
    outputs: {rows: data/rows.csv}
  features:
    call: churn.data:split
    inputs: {rows: data/rows.csv}
    outputs: {train: data/train.csv, test: data/test.csv}
    params: [split]
  train:
    call: churn.model:train
    inputs: {train: data/train.csv}
    outputs: {model: models/churn}
    params: [model]
  evaluate: {}
  figures:
    cmd: python -m churn.figures
    inputs: [data/rows.csv]
    outputs: [reports/figures]

promote:
  gates:
    - {metric: roc_auc, min: 0.8}
    - {metric: roc_auc, beats: champion, confidence: 0.9}
drift: {max_share: 0.3}
environments: {dev: {}, staging: {}, production: {requires: staging, branch: main}}
targets:
  gpu: {ssh: gpu-box}
"""

SOURCES = {
    "__init__.py": "",
    "data.py": "def prepare(raw):\n    return raw\n\n\ndef split(rows, share):\n    return rows, rows\n",
    "model.py": "def train(train, depth, target):\n    return None\n",
    "figures.py": "",
    "broken.py": "\n\ndef train(:\n",
}


@dataclass(frozen=True)
class Churn:
    """A valid project on disk, whose mlx.yaml a test breaks."""

    root: TmpDir

    def edit(self, *edits: tuple[str, str]) -> Churn:
        """Write the valid mlx.yaml with some places replaced; each of them stands in it exactly once."""
        text = MLX_YAML
        for old, new in edits:
            assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in mlx.yaml"
            text = text.replace(old, new)
        self.root.gen("mlx.yaml", text)
        return self

    def write(self, content: str | bytes) -> Churn:
        self.root.gen("mlx.yaml", content)
        return self

    def load(self) -> Project:
        return load(self.root)

    def error(self) -> ConfigError:
        with pytest.raises(ConfigError) as caught:
            load(self.root)
        return caught.value

    def problems(self) -> list[str]:
        return list(self.error().context)


@pytest.fixture
def churn(tmp_dir: TmpDir) -> Churn:
    tmp_dir.gen({"src/churn": SOURCES, "params.yaml": "split:\n  share: 0.2\nmodel:\n  depth: 3\n"})
    return Churn(tmp_dir).edit()

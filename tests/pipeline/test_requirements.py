"""The requirements file that travels with a stage: what a target's file says, with what mlx needs there."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING

import pytest
from small_project import STAGES

from mlxkit.errors import UsageError
from mlxkit.pipeline.requirements import requirements_of
from mlxkit.project.load import load

if TYPE_CHECKING:
    from small_project import SmallProject


def text_of(project: SmallProject, **files: str) -> str:
    project.write({name.replace("_", "/").replace("DOT", "."): text for name, text in files.items()})
    project.configure(STAGES, targets={"gpu": {"ssh": "gpu-box", "requirements": "box.txt"}})
    return requirements_of(load(project.root), "gpu")


def test_what_mlx_needs_comes_along_in_the_version_from_here(small: SmallProject) -> None:
    lines = text_of(small, boxDOTtxt="torch==2.6.0\npandas==3.0.1\n").splitlines()
    assert lines[:2] == ["torch==2.6.0", "pandas==3.0.1"]
    assert f"mlflow=={metadata.version('mlflow')}" in lines
    assert f"pyyaml=={metadata.version('pyyaml')}" in lines
    assert [line for line in lines if line.startswith(("pandas", "evidently", "dvc"))] == ["pandas==3.0.1"]


def test_a_package_is_the_same_however_its_name_is_written(small: SmallProject) -> None:
    text = text_of(small, boxDOTtxt="PyYAML>=6\nScikit_Learn==1.9.*; python_version>'3'\nMLflow[extras]\n")
    assert "pyyaml==" not in text
    assert "scikit-learn==" not in text
    assert "mlflow==" not in text


def test_a_list_with_hashes_is_whole_as_it_is(small: SmallProject) -> None:
    text = text_of(small, boxDOTtxt="demo==1.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n")
    assert " ".join(text.split()) == "demo==1.0 --hash=sha256:aa --hash=sha256:bb"


def test_files_that_it_includes_are_put_in_its_place(small: SmallProject) -> None:
    url = "--extra-index-url https://example.com/#cu124"
    text = text_of(
        small,
        boxDOTtxt=f"-r env/base.txt  # the same as here\n{url}\ntorch==2.6.0\n",
        env_baseDOTtxt="# plain\ndemo==1\n--requirement more.txt\n-r ../box.txt\n",
        env_moreDOTtxt="other==2\n",
    )
    assert text.splitlines()[:4] == ["demo==1", "other==2", url, "torch==2.6.0"]


@pytest.mark.parametrize("line", ["-e .", ".", "./libs/own", "-c limits.txt", "/srv/own.whl", "file:own.whl"])
def test_what_lies_here_is_refused_with_its_line(small: SmallProject, line: str) -> None:
    with pytest.raises(UsageError, match="name what lies on this machine") as caught:
        text_of(small, boxDOTtxt=f"demo\n{line}\n")
    assert caught.value.context == ("box.txt:2",)


def test_a_file_that_is_not_there_is_named_with_who_names_it(small: SmallProject) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file or directory") as caught:
        text_of(small, boxDOTtxt="-r base.txt\n")
    assert (caught.value.context, caught.value.hint) == (("base.txt",), "correct 'box.txt'")

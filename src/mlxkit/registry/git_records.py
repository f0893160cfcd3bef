"""Records of promotions as git has them: annotated tags `mlx/ENV/NNNN`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlxkit.adapters import git, git_tags
from mlxkit.registry.records import record_of

if TYPE_CHECKING:
    from mlxkit.project.models import Project
    from mlxkit.registry.records import PromotionRecord


def tag_prefix(project: Project, environment: str) -> str:
    """Return what the tags of an environment begin with; a project among others has its name in it."""
    top = git.top_level(project.root)
    alone = top is None or top.resolve() == project.root.resolve()
    return f"mlx/{environment}" if alone else f"mlx/{project.name}/{environment}"


def git_records(project: Project, environment: str) -> list[PromotionRecord]:
    """Return the records of an environment that git has here, the oldest first."""
    tags = git_tags.read_tags(project.root, tag_prefix(project, environment))
    found = [record for tag in tags if (record := record_of(tag.body)) is not None]
    ours = [record for record in found if record.model == project.name]
    return sorted(ours, key=lambda record: (record.at, record.number))

"""Git hooks of a new project: its checks before a commit, DVC's checkout and push with git's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlxkit.adapters import git, pre_commit

if TYPE_CHECKING:
    from pathlib import Path

LATER = "`make setup hooks` in the project installs them"


def install_git_hooks(root: Path) -> str | None:
    """Install the hooks that the project's own file lists; return what kept them from it, if anything.

    Hooks that are there already, and another list of hooks in the same repository, are left as they are.
    """
    repository = git.top_level(root)
    if repository is None:
        return "git hooks were not installed: there is no repository"
    others = pre_commit.hooks_in_the_way(root)
    if others:
        names = ", ".join(f"'{name}'" for name in others)
        return (
            f"git hooks were not installed, since the repository has its own: {names}; "
            "`make hooks` in the project keeps those and adds the project's"
        )
    if repository != root.resolve() and pre_commit.is_in_use(repository):
        return (
            f"git hooks were not installed, since '{repository}' has its own list for pre-commit: "
            f"add what '{root.name}/{pre_commit.CONFIG_FILE}' lists"
        )
    program = pre_commit.command()
    if program is None:
        return f"git hooks were not installed, since pre-commit is not here: {LATER}"
    complaint = pre_commit.install(root, program)
    return f"git hooks were not installed: {complaint}" if complaint else None

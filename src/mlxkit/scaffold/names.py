"""Names that are safe where they end up: folders, import packages, registered models, data files."""

from __future__ import annotations

import getpass
import keyword
import re
import sys
import unicodedata
from importlib.machinery import PathFinder
from itertools import takewhile

# The longest names with which no line of the generated code outgrows its formatter's width.
LONGEST_PROJECT = 32
LONGEST_DATASET = 24
_PROJECT_NAME = re.compile(r"[A-Za-z]([A-Za-z0-9_-]*[A-Za-z0-9])?")
# `test` is missing from sys.stdlib_module_names; the others would shadow parts of the project itself.
_TAKEN = frozenset({"mlx", "mlxkit", "src", "test", "tests"})
# Names that the generated functions use beside the data set's own.
_USED_IN_CODE = frozenset(
    """
    cutoff features figure figures index key labels model models mlx package params pd positive project
    protected raw reports rows seed split src strongest target task test test_share texts time times
    train values
    """.split()  # noqa: SIM905 - a page of quotes otherwise
)


def slug(text: str, *, longest: int, fallback: str) -> str:
    """Turn any text into a lower-case ASCII identifier; leading digits move to its end."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    words = re.findall(r"[a-z0-9]+", plain)
    digits = list(takewhile(str.isdigit, words))
    first, *rest = words[len(digits) :] or [fallback]
    leading = re.match(r"\d*", first)
    moved = leading.group() if leading else ""
    name = "_".join(part for part in (first[len(moved) :], *rest, moved, *digits) if part)
    return name[:longest].rstrip("_")


def dataset_name(text: str) -> str:
    """Name the data set in files and function parameters after its file."""
    name = slug(text, longest=LONGEST_DATASET, fallback="dataset")
    if name in _USED_IN_CODE or keyword.iskeyword(name) or keyword.issoftkeyword(name):
        return f"{name}_rows"
    return name


def package_name(project: str) -> str:
    """Return the import package of a project."""
    return project.lower().replace("-", "_")


def problem_with_name(project: str) -> str | None:
    """Say why a project cannot have this name, or None when it can."""
    if len(project) > LONGEST_PROJECT:
        return f"it has {len(project)} characters, and {LONGEST_PROJECT} is the most"
    if not _PROJECT_NAME.fullmatch(project):
        return "it takes a letter first, then letters, digits, '-' and '_'"
    package = package_name(project)
    if keyword.iskeyword(package) or keyword.issoftkeyword(package):
        return f"'{package}' is a word of the Python language"
    if package in sys.stdlib_module_names or package in _TAKEN:
        return f"its package '{package}' would hide a module that Python or mlx needs"
    if _is_installed_library(package):
        return f"its package '{package}' would hide the installed library of that name"
    return None


def suggest_name(project: str) -> str:
    """Return a name like this one that a project can have."""
    candidate = slug(project, longest=LONGEST_PROJECT, fallback="project").replace("_", "-")
    return candidate if problem_with_name(candidate) is None else f"{candidate[:26].rstrip('-')}-model"


def _is_installed_library(package: str) -> bool:
    """Whether a library holds that name. A project installed in place lies elsewhere and does not count."""
    folders = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    spec = PathFinder.find_spec(package, folders)
    return spec is not None and spec.origin is not None


def author() -> str:
    """Return the login name of the user as it can stand in a file's name."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):  # a container may run as a user whom it has no name for
        name = ""
    return re.sub(r"[^a-z0-9]+", "", name.lower()) or "me"

"""The user's web browser."""

from __future__ import annotations

import os
import sys
import webbrowser
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")


def open_page(page: Path) -> bool:
    """Show a file in the browser; returns whether there is one that has a screen."""
    if os.environ.get("CI") or (sys.platform == "linux" and not any(map(os.environ.get, _DISPLAYS))):
        return False
    try:
        return webbrowser.open(page.resolve().as_uri())
    except webbrowser.Error:
        return False

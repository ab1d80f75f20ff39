"""What must not be stored: secrets, and the name of the user's home folder.

Secrets are taken out of free text only, such as messages, logs and answers. What a run is made of (its plan, cells,
host, kinds) never holds one, and could not be read back if it were changed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from harness.host.redaction import hide

FREE_TEXT = frozenset({"message", "log", "example", "wrong_answer", "command", "notes", "void", "outcomes", "reason"})
"""Keys of documents whose texts are for people only."""
PATHS = frozenset({"requests", "routes", "path"})
"""Keys of lists whose paths are of URLs, not of files."""


def clean_text(text: str) -> str:
    """A text for people, without secrets, the user's home folder and what is no Unicode."""
    return hide(without_home(_unicode(text)))


def clean(value: Any, key: str = "") -> Any:
    """A copy of a document as it may be stored: free text without secrets, everything without the user's home folder,
    which is written as `~`, since results are for sharing."""
    if isinstance(value, str):
        return clean_text(value) if key in FREE_TEXT else without_home(_unicode(value))
    if isinstance(value, Mapping):  # environments are keyed by names, which may be paths
        return {without_home(name): clean(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return value if key in PATHS else [clean(item, key) for item in value]
    return value


def without_home(text: str, home: str | None = None) -> str:
    """A text with the user's home folder written as `~`."""
    home = os.path.expanduser("~") if home is None else home
    return re.sub(rf"(?<![\w.~/-]){re.escape(home)}/", "~/", text) if len(home) > 1 else text


def _unicode(text: str) -> str:
    """A text with escapes in the place of halves of characters, which no file can hold."""
    return text.encode("utf-8", "backslashreplace").decode()

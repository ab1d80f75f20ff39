"""What must not be stored: values of secrets, and the name of the user's home folder."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Set
from typing import Any

HIDDEN = "***"
"""What stands in the place of a secret."""


def without_home(value: Any, home: str | None = None) -> Any:
    """A copy of a document with the user's home folder written as `~` in texts and keys: results are for sharing."""
    home = os.path.expanduser("~") if home is None else home
    if isinstance(value, str):
        return re.sub(rf"(?<![\w.~/-]){re.escape(home)}/", "~/", value) if len(home) > 1 else value
    if isinstance(value, Mapping):  # environments are keyed by names, which may be paths
        return {without_home(key, home): without_home(item, home) for key, item in value.items()}
    if isinstance(value, list):
        return [without_home(item, home) for item in value]
    return value


def without_secrets(value: Any, secrets: Set[str]) -> Any:
    """A copy of a document with every secret in its texts and keys hidden."""
    if not secrets:
        return value
    if isinstance(value, str):
        for secret in sorted(secrets, key=len, reverse=True):  # one may hold another
            value = value.replace(secret, HIDDEN)
        return value
    if isinstance(value, Mapping):
        return {without_secrets(key, secrets): without_secrets(item, secrets) for key, item in value.items()}
    if isinstance(value, list):
        return [without_secrets(item, secrets) for item in value]
    return value

"""Plans that come with the harness: `presets/*.toml`."""

from __future__ import annotations

from harness import resources
from harness.config import files
from harness.config.parsing import require_choice
from harness.model.plan import Plan


def names() -> tuple[str, ...]:
    """Names of all presets."""
    return tuple(sorted(path.stem for path in resources.files("presets", ".toml")))


def preset(name: str) -> Plan:
    """A plan by its name. UsageError where there is none of this name."""
    return files.load(resources.path("presets", f"{require_choice('preset', name, names())}.toml"))

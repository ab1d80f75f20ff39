"""Plans that come with the harness: `presets/*.toml`, each with its purpose as its first comment."""

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


def purpose(name: str) -> str:
    """The first comment of a preset: its purpose, and what it cannot tell."""
    lines = resources.path("presets", f"{name}.toml").read_text(encoding="utf-8").splitlines()
    comment = [line.removeprefix("# ") for line in lines[: next(n for n, line in enumerate(lines) if line[:1] != "#")]]
    return " ".join(comment).rstrip(".")

"""What runs in the environment of the application, kept apart so that nothing else does: the entry in the server's
process, and the probe that looks at an application before. Standard library only. May be imported by `model` and the
rooms above; it imports nothing of the harness."""

from pathlib import Path

MODULE = "harness_entry"
ATTRIBUTE = "application"
SOURCES = tuple(
    Path(__file__).with_name(f"harness_{each}.py")
    for each in ("entry", "layout", "lifespan", "prefork", "rsgi", "watch")
)
"""What is copied into the server's private folder."""
PROBE = Path(__file__).with_name("harness_probe.py")

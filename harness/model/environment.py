"""The Python environment that runs a server."""

from __future__ import annotations

from harness.model import Value


class Environment(Value):
    """A Python interpreter together with the distributions that are installed for it."""

    python: str
    """Version of the interpreter, such as `3.11.7`."""
    implementation: str
    """Such as `CPython`."""
    executable: str
    """Path of the interpreter."""
    packages: dict[str, str]
    """Normalised name of every installed distribution → its version."""

"""Pages that hold everything they show: texts are escaped, and a policy lets no script run but their own."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

FOLDER = Path(__file__).with_name("templates")


def render(name: str, scripts: Sequence[str], *, libraries: Sequence[str] = (), **content: Any) -> str:
    """A page from its template, with the named scripts as one and the page's style. `libraries`: more scripts that may
    run."""
    script = "".join((FOLDER / each).read_text(encoding="utf-8") for each in scripts)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    return environment.get_template(name).render(
        style=Markup((FOLDER / "report.css").read_text(encoding="utf-8")),
        script=Markup(script),
        hashes=Markup(" ".join(map(_hash, (*libraries, script)))),
        **content,
    )


def _hash(script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    return f"'sha256-{digest}'"

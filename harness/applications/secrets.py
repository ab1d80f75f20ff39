"""The values that must not reach a result."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence

from harness.model.requests import VARIABLE, AppRequest

SECRET_NAME = re.compile(r"PASS|SECRET|TOKEN|KEY|CREDENTIAL|DSN|_URL$", re.IGNORECASE)
"""Variables of the surroundings whose values are taken out of results."""
LEAST_SECRET = 6
"""Characters of a value that is taken out of results; shorter ones would take out anything."""


def secret_values(
    variables: Mapping[str, str], requests: Sequence[AppRequest], surroundings: Mapping[str, str] = os.environ
) -> frozenset[str]:
    """Values of the application's `variables`, and of those of the harness' own `surroundings` that its requests use or
    that sound like a secret."""
    text = json.dumps([each.model_dump(mode="json", by_alias=True) for each in requests])
    names = {*VARIABLE.findall(text), *filter(SECRET_NAME.search, surroundings)} - variables.keys()
    values = [*variables.values(), *(surroundings[name] for name in names if name in surroundings)]
    return frozenset(value for value in values if len(value) >= LEAST_SECRET)

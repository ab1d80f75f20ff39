"""Which values must not reach a result."""

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
    variables: Mapping[str, str], surroundings: Mapping[str, str], requests: Sequence[AppRequest]
) -> frozenset[str]:
    """Values of the application's variables, of those that its requests use, and of what sounds like a secret among the
    `surroundings` of the harness."""
    text = json.dumps([each.model_dump(mode="json", by_alias=True) for each in requests])
    used = set(VARIABLE.findall(text))
    named = {name for name in os.environ if SECRET_NAME.search(name)}
    values = [*variables.values(), *(surroundings[name] for name in used | named if name in surroundings)]
    return frozenset(value for value in values if len(value) >= LEAST_SECRET)

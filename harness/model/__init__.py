"""Frozen values that all rooms share: what is to be measured (`variant`, `load`), what was measured (`measurement`),
what is stored (`record`), what goes on (`events`); the registries of axes and metrics. May be imported by `servers`,
`handlers`, `host`, `stats` and the rooms above; it may import `errors`."""

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """A frozen value that refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")

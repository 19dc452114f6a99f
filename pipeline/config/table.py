"""What all tables of the config have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Table(BaseModel):
    """A table of the config. Errors never repeat what was written: `check` decides what may be shown."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

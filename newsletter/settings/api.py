"""How much programs may read."""

from pydantic import BaseModel, ConfigDict, Field


class ApiSettings(BaseModel):
    """Reading is free and needs no key; one network may not read as if it were all of them."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    per_minute: int = Field(default=120, ge=1)
    """Requests of one network in a minute."""

"""The limits of preflight: how heavy a copy may be."""

from pydantic import BaseModel, ConfigDict, Field


class PreflightSettings(BaseModel):
    """Sizes are bytes of the HTML part as one reader gets it; Gmail clips at about 102,000."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    heavy: int = Field(default=80_000, ge=1)
    """Bytes from which a copy's weight is a warning."""

    too_heavy: int = Field(default=90_000, ge=1)
    """Bytes from which a copy's weight refuses the approval."""

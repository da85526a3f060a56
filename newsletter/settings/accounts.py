"""The settings of coming in."""

from pydantic import BaseModel, ConfigDict, Field


class AccountSettings(BaseModel):
    """How long a login is good for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    days: int = Field(default=14, ge=1, le=365)  # until a browser has to come in anew

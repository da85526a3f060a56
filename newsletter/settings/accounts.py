"""The settings of coming in."""

from pydantic import BaseModel, ConfigDict, Field


class AccountSettings(BaseModel):
    """How long a login is good for, and how often a door may be tried in a quarter of an hour."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    days: int = Field(default=14, ge=1, le=365)  # until a browser has to come in anew
    tries: int = Field(default=10, ge=1)  # at one account's password or code; five times that a day
    network_tries: int = Field(default=60, ge=1)  # from one network, at whatever account

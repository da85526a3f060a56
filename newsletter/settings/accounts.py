"""The settings of coming in."""

from pydantic import BaseModel, ConfigDict, Field


class AccountSettings(BaseModel):
    """How long a login is good for, and how often a door may be tried in a quarter of an hour."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    days: int = Field(default=14, ge=1, le=365)
    """Days until a browser has to come in anew."""

    tries: int = Field(default=10, ge=1)
    """Tries at one account's password or code in a quarter of an hour; five times that in a day."""

    network_tries: int = Field(default=60, ge=1)
    """Tries from one network in a quarter of an hour, at whatever account."""

"""How people join: confirmed or not, from which addresses, and how often."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class JoiningSettings(BaseModel):
    """The defaults are those of a list that keeps a good name: confirmed, and not thrown away."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    confirm: bool = True
    """A mailed link must be pressed before the first edition (double opt-in)."""

    welcome: Literal["nothing", "letter", "latest"] = "letter"
    """What comes after the confirmation: nothing, a letter, or one with the latest edition."""

    throwaway: Literal["refuse", "take"] = "refuse"
    """Whether addresses that last ten minutes are taken."""

    also_throwaway: str = ""
    """Domains that are refused as well, comma-separated."""

    never_throwaway: str = ""
    """Domains that are taken whatever the list says, comma-separated."""

    roles: Literal["refuse", "take"] = "take"
    """Whether addresses of many, as info@ and sales@, are taken."""

    days: int = Field(default=14, ge=1, le=365)
    """Days until an address that nobody confirmed is deleted."""

    per_address: int = Field(default=3, ge=1)
    """Confirmation letters to one address in a day."""

    per_network: int = Field(default=30, ge=1)
    """Addresses from one network in an hour."""

    origins: str = ""
    """Sites whose scripts may post to `/api/subscribers`, comma-separated; `site_url` always may."""

"""How people join: confirmed or not, from which addresses, and how often."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class JoiningSettings(BaseModel):
    """The defaults are those of a list that keeps a good name: confirmed, and not thrown away."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    confirm: bool = True  # a mailed link must be pressed before the first edition (double opt-in)
    welcome: Literal["nothing", "letter", "latest"] = (
        "letter"  # once in: a letter, with the latest edition
    )
    throwaway: Literal["refuse", "take"] = "refuse"  # addresses that last ten minutes
    also_throwaway: str = ""  # domains that are refused as well, comma-separated
    never_throwaway: str = ""  # domains that are taken whatever the list says, comma-separated
    roles: Literal["refuse", "take"] = "take"  # admin@, sales@: nobody's, or everybody's
    days: int = Field(default=14, ge=1, le=365)  # until an address that nobody confirmed is deleted
    per_address: int = Field(default=3, ge=1)  # confirmation letters to one address in a day
    per_network: int = Field(default=30, ge=1)  # addresses from one network in an hour
    origins: str = (
        ""  # sites whose scripts may post to /api/subscribers, comma-separated; site_url's always
    )

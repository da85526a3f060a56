"""The limits of preflight: how heavy a copy may be, and how politely links are asked."""

from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field


class PreflightSettings(BaseModel):
    """Sizes are bytes of the HTML part as one reader gets it; Gmail clips at about 102,000."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    heavy: int = Field(default=80_000, ge=1)  # a warning from here on
    too_heavy: int = Field(default=90_000, ge=1)  # refused from here on
    links: int = Field(default=60, ge=0, le=1000)  # asked in one go; 0 asks nobody
    link_timeout: float = Field(default=5.0, gt=0, le=60)  # seconds for one answer
    links_within: float = Field(default=30.0, gt=0, le=300)  # seconds for all of them
    link_pause: float = Field(default=0.25, ge=0, le=10)  # seconds between two to one host
    links_keep: float = Field(default=6.0, gt=0)  # hours for which an answer is believed

    @property
    def links_keep_for(self) -> timedelta:
        """How long an answer is believed."""
        return timedelta(hours=self.links_keep)

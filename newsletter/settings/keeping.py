"""How long what is known about people is kept: periods in days, which an hourly task holds to."""

from pydantic import BaseModel, ConfigDict, Field


class KeepingSettings(BaseModel):
    """Zero keeps it for ever."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    gone: int = Field(default=1095, ge=0)
    """Days until people who left, bounced or complained are erased."""

    events: int = Field(default=1095, ge=0)
    """Days for which who opened and clicked what is kept; figures stay."""

    letters: int = Field(default=365, ge=0)
    """Days for which it is kept that a letter was sent, and what became of it."""

    links: int = Field(default=30, ge=0)
    """Days for which mailed one-time links are kept once they are of no use."""

    answers: int = Field(default=7, ge=1)
    """Days for which the page of what is known about somebody who asked is kept."""

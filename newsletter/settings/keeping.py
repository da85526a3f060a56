"""How long what is known about people is kept: periods in days, which an hourly task holds to."""

from pydantic import BaseModel, ConfigDict, Field


class KeepingSettings(BaseModel):
    """Zero keeps it for ever."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gone: int = Field(default=1095, ge=0)  # people who left, bounced or complained: then erased
    events: int = Field(default=1095, ge=0)  # who opened and clicked what; figures stay
    letters: int = Field(default=365, ge=0)  # that a letter was sent, and what became of it
    links: int = Field(default=30, ge=0)  # mailed one-time links, once they are of no use
    answers: int = Field(default=7, ge=1)  # the page of what is known about somebody who asked

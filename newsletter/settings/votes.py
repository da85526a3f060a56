"""When readers' votes say something, and when they are held out of the count."""

from pydantic import BaseModel, ConfigDict, Field


class VoteSettings(BaseModel):
    """Zero switches a limit off. Votes are exact inside; readers see a figure in steps."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enough: int = Field(default=10, ge=1)  # votes on a tool before readers see a figure
    step: int = Field(default=5, ge=1)  # people between one shown figure and the next
    burst: int = Field(default=100, ge=0)  # of one mind on one tool within a minute: held out
    network: int = Field(default=10, ge=0)  # on one tool from one network within a day: held out
    haste: float = Field(
        default=0.7, ge=0, le=60
    )  # seconds from a page to its press: quicker is no person

"""When readers' votes say something, and when they are held out of the count."""

from pydantic import BaseModel, ConfigDict, Field


class VoteSettings(BaseModel):
    """Zero switches a limit off. Votes are exact inside; readers see a figure in steps."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    enough: int = Field(default=10, ge=1)
    """Votes on a tool before readers see a figure."""

    step: int = Field(default=5, ge=1)
    """People between one shown figure and the next."""

    burst: int = Field(default=100, ge=0)
    """So many votes of one mind on one tool within a minute are held out."""

    network: int = Field(default=10, ge=0)
    """So many votes on one tool from one network within a day are held out."""

    haste: float = Field(default=0.7, ge=0, le=60)
    """A press within so many seconds of its page is no person's."""

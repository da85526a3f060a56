"""The settings of approval."""

from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field


class ApprovalSettings(BaseModel):
    """How many people it takes, and how long they may think better of it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    people: int = Field(default=1, ge=1, le=2)
    """How many people must approve any edition; a schedule may ask for two."""

    undo: float = Field(default=60.0, ge=0, le=3600)
    """Seconds in which an approval on a page can be undone, when the edition is due at once."""

    @property
    def undo_for(self) -> timedelta:
        """How long an edition that is due waits after it was approved on a page."""
        return timedelta(seconds=self.undo)

"""When mail that bounces softly is given up, and when that is forgiven."""

from pydantic import BaseModel, ConfigDict, Field


class BounceSettings(BaseModel):
    """A hard bounce suppresses at once; these are about the others: full mailboxes, busy servers."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    soft: int = Field(default=4, ge=0)
    """Editions in a row that bounce softly until somebody is suppressed; 0: never."""

    days: int = Field(default=90, ge=1)
    """Days within which these must lie."""

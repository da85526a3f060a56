"""What the doctor looks at, and whom it asks."""

from pydantic import BaseModel, ConfigDict, Field


class DoctorSettings(BaseModel):
    """How the sending domain and the public address are examined."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    resolver: str = ""
    """The name server to ask, as `192.0.2.53` or `192.0.2.53:5353`; empty: this machine's own."""

    selectors: str = ""
    """DKIM selectors, comma-separated, where the provider does not tell them: `pm,20261101`."""

    every: float = Field(default=3600.0, ge=0)
    """Seconds between two examinations by themselves; 0: only when somebody asks."""

    expiry: float = Field(default=1_209_600.0, ge=0)
    """Seconds before the public address's certificate ends from which it is an alarm."""

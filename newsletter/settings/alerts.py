"""When operators are told that something is wrong, and how."""

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class AlertSettings(BaseModel):
    """Limits are seconds, and 0 switches that alert off."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    mail: bool = True
    """Whether alerts go by mail to every operator, and to editors when something waits for one."""

    url: str = ""
    """A webhook that gets each alert as JSON when it begins and when it ends."""

    secret: SecretStr = SecretStr("")
    """Signs those calls (Standard Webhooks, whsec_...)."""

    deadline: float = Field(default=7200.0, ge=0)
    """Seconds before an unapproved edition's deadline."""

    overdue: float = Field(default=600.0, ge=0)
    """Seconds after a turn's window has closed in which no draft was made, while beat ticks."""

    stalled: float = Field(default=600.0, ge=0)
    """Seconds for which a send could go on and does not."""

    uncertain: float = Field(default=3600.0, ge=0)
    """Seconds for which nobody knows of a batch."""

    silence: float = Field(default=3600.0, ge=0)
    """Seconds after copies were accepted without any event of the provider."""

    resting: float = Field(default=600.0, ge=0)
    """Whether a provider that rests, and of which no call has gone well since, is an alert; 0 for no."""

    lag: float = Field(default=60.0, ge=0)
    """Seconds from beat's tick to the worker that hears it."""

    letters: float = Field(default=900.0, ge=0)
    """Seconds for which a confirmation or sign-in has not left."""

    halted: float = Field(default=3600.0, ge=0)
    """Seconds for which everything has been stopped by hand."""

"""When operators are told that something is wrong, and how."""

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class AlertSettings(BaseModel):
    """Limits are seconds, and 0 switches that alert off."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mail: bool = True  # to every operator; about what waits for an editor, to editors too
    url: str = ""  # a webhook that gets each alert as JSON when it begins and when it ends
    secret: SecretStr = SecretStr("")  # signs those calls (Standard Webhooks, whsec_...)
    deadline: float = Field(default=7200.0, ge=0)  # before an unapproved edition's deadline
    stalled: float = Field(default=600.0, ge=0)  # a send could go on and does not
    uncertain: float = Field(default=3600.0, ge=0)  # nobody knows of a batch for so long
    silence: float = Field(default=3600.0, ge=0)  # copies accepted, and no event of the provider
    resting: float = Field(default=600.0, ge=0)  # a provider fails for so long
    lag: float = Field(default=60.0, ge=0)  # from beat's tick to a worker that hears it
    letters: float = Field(default=900.0, ge=0)  # a confirmation or sign-in has not left
    halted: float = Field(default=3600.0, ge=0)  # everything is stopped by hand

"""The settings of one provider; there is a group of them for each."""

from pydantic import BaseModel, ConfigDict, SecretStr


class ProviderSettings(BaseModel):
    """What one provider's adapter needs. *url* is empty for the vendor's own host."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    url: str = ""
    """Where its interface is; empty: the vendor's own host."""

    token: SecretStr = SecretStr("")
    """Its key for sending."""

    webhook_key: SecretStr = SecretStr("")
    """What checks its webhooks: a public key, a signing secret or a password, by provider."""

    domain: str = ""
    """Mailgun: the sending domain."""

    stream: str = "broadcast"
    """Postmark: the message stream."""

    region: str = "eu-central-1"
    """SES: the region."""

    key_id: str = ""
    """SES: the access key's id."""

    configuration_set: str = ""
    """SES: the configuration set, which says where events go."""

    topics: str = ""
    """SES: the allowed SNS topic ARNs, comma-separated."""

    webhook_user: str = "newsletter"
    """Postmark and Brevo: the name in Basic auth."""

    calls_per_second: float = 0
    """Calls a second that all workers share; 0 for no limit of ours."""

    search_lag: float | None = None
    """Seconds until absence from the search counts as proof."""

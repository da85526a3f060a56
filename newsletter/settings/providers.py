"""The settings of one provider; there is a group of them for each."""

from pydantic import BaseModel, ConfigDict, SecretStr


class ProviderSettings(BaseModel):
    """What one provider's adapter needs. *url* is empty for the vendor's own host."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = ""
    token: SecretStr = SecretStr("")
    webhook_key: SecretStr = SecretStr("")  # public key, signing secret or password, by provider
    domain: str = ""  # Mailgun: the sending domain
    stream: str = "broadcast"  # Postmark: the message stream
    region: str = "eu-central-1"  # SES
    key_id: str = ""  # SES: the access key's id
    configuration_set: str = ""  # SES
    topics: str = ""  # SES: the allowed SNS topic ARNs, comma-separated
    webhook_user: str = "newsletter"  # Postmark and Brevo: the name in Basic auth
    calls_per_second: float = 0  # shared by all workers; 0 for no limit of ours
    search_lag: float | None = None  # seconds until absence from the search counts as proof

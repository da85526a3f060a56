"""The providers by the name that settings give them."""

from collections.abc import Mapping
from typing import Final

from newsletter.esp import Esp
from newsletter.esp.brevo import Brevo
from newsletter.esp.mailgun import Mailgun
from newsletter.esp.postmark import Postmark
from newsletter.esp.resend import Resend
from newsletter.esp.sendgrid import SendGrid
from newsletter.esp.ses import Ses

adapters: Final[Mapping[str, type[Esp]]] = {
    adapter.name: adapter for adapter in (SendGrid, Resend, Mailgun, Postmark, Ses, Brevo)
}

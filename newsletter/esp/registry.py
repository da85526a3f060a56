"""The providers by the name that settings give them."""

from collections.abc import Mapping
from typing import Final

from newsletter.esp import Esp
from newsletter.esp.brevo.adapter import Brevo
from newsletter.esp.mailgun.adapter import Mailgun
from newsletter.esp.postmark.adapter import Postmark
from newsletter.esp.resend.adapter import Resend
from newsletter.esp.sendgrid.adapter import SendGrid
from newsletter.esp.ses.adapter import Ses

adapters: Final[Mapping[str, type[Esp]]] = {
    adapter.name: adapter for adapter in (SendGrid, Resend, Mailgun, Postmark, Ses, Brevo)
}

"""One sandbox put together: store, mailbox, dialects, faults, courier."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from newsletter.sandbox.census import Census
from newsletter.sandbox.config import SandboxConfig
from newsletter.sandbox.connections import Connections
from newsletter.sandbox.courier import Courier
from newsletter.sandbox.desks import Desk, Office, Standing
from newsletter.sandbox.desks.brevo import BrevoDesk
from newsletter.sandbox.desks.mailgun import MailgunDesk
from newsletter.sandbox.desks.postmark import PostmarkDesk
from newsletter.sandbox.desks.resend import ResendDesk
from newsletter.sandbox.desks.sendgrid import SendGridDesk
from newsletter.sandbox.desks.ses import SesDesk
from newsletter.sandbox.dialects import Dialect
from newsletter.sandbox.dialects.brevo import Brevo
from newsletter.sandbox.dialects.mailgun import Mailgun
from newsletter.sandbox.dialects.postmark import Postmark
from newsletter.sandbox.dialects.resend import Resend
from newsletter.sandbox.dialects.sendgrid import SendGrid
from newsletter.sandbox.dialects.ses import Ses
from newsletter.sandbox.faults import FaultPlan, Faults
from newsletter.sandbox.letters import Letter
from newsletter.sandbox.mailbox import Mailbox, Stored
from newsletter.sandbox.reception import Reception
from newsletter.sandbox.shunned import Shunned
from newsletter.sandbox.store import Store

_SPOKEN: Final = (SendGrid, Resend, Mailgun, Postmark, Ses, Brevo)
# SendGrid's first: Mailgun's paths begin with a domain, and would match some of its own.
_DESKS: Final = (SendGridDesk, ResendDesk, PostmarkDesk, SesDesk, BrevoDesk, MailgunDesk)
_ORDERED: Final = "faults"
_STANDING: Final = "standing"


class Sandbox:
    """Everything one app needs; ``open`` starts the courier and ``close`` ends it."""

    def __init__(
        self, config: SandboxConfig, *, clock: Callable[[], datetime], connections: Connections
    ) -> None:
        self.config, self.clock = config, clock
        self.store = Store(config.store)
        self.mailbox = Mailbox(self.store, config)
        self.census = Census(self.store)
        self.dialects: Mapping[str, Dialect] = {
            spoken.name: spoken(config, self.mailbox) for spoken in _SPOKEN
        }
        office = Office(config, self.standing, Shunned(self.store))
        self.desks: tuple[Desk, ...] = tuple(desk(office) for desk in _DESKS)
        kept = self.store.setting(_ORDERED)
        self.faults = Faults(FaultPlan.model_validate_json(kept) if kept else config.faults)
        self.courier = Courier(config, self.store, self.faults, self.dialects, clock=clock)
        self.reception = Reception(
            config=config,
            store=self.store,
            mailbox=self.mailbox,
            faults=self.faults,
            connections=connections,
            clock=clock,
            after_acceptance=self.courier.nudge,
        )

    def open(self) -> None:
        """Start calling back."""
        self.courier.start()

    def close(self) -> None:
        """Stop calling back and give the file back."""
        self.courier.stop()
        self.store.close()

    def letter(self, one: Stored) -> Letter:
        """A stored message, merged as its provider merges it."""
        return self.dialects[one.dialect].letter(one.shared, one.own, one.recipient)

    def source(self, one: Stored) -> bytes:
        """A stored message's RFC 5322 source."""
        return self.letter(one).source(message_id=self.message_id(one), sent_at=one.accepted_at)

    def message_id(self, one: Stored) -> str:
        """The Message-ID without its brackets."""
        return (
            one.provider_id
            if "@" in one.provider_id
            else f"{one.provider_id}@{one.dialect}.sandbox"
        )

    def order(self, plan: FaultPlan) -> None:
        """Put *plan* in force, also after a restart."""
        self.store.remember(_ORDERED, plan.model_dump_json())
        self.faults.order(plan)

    def standing(self) -> Standing:
        """How the accounts stand with their providers."""
        kept = self.store.setting(_STANDING)
        return Standing.model_validate_json(kept) if kept else Standing()

    def stand(self, standing: Standing) -> None:
        """Let the accounts stand like this, also after a restart."""
        self.store.remember(_STANDING, standing.model_dump_json())

    def empty(self) -> None:
        """Throw away all mail, and count calls from 1 again; ordered faults stay."""
        self.courier.empty()
        self.reception.start_over()

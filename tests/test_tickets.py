"""Mailed one-time links: for one purpose, for a while, for one use."""

from datetime import datetime, timedelta

import pytest
from sqlmodel import Session, select

from newsletter import tickets
from newsletter.tickets import NoSuchTicket, Purpose, Ticket, TicketExpired, TicketSpent

HOUR = timedelta(hours=1)


def a_ticket(session: Session, now: datetime, purpose: Purpose = Purpose.confirm) -> str:
    return tickets.issue(session, purpose, "7", now=now, good_for=HOUR)


def test_looking_changes_nothing_and_spending_works_once(session: Session, now: datetime) -> None:
    token = a_ticket(session, now)

    assert [tickets.look(session, Purpose.confirm, token, now=now) for _ in range(3)] == ["7"] * 3
    assert tickets.spend(session, Purpose.confirm, token, now=now) == "7"
    with pytest.raises(TicketSpent):
        tickets.spend(session, Purpose.confirm, token, now=now)
    with pytest.raises(TicketSpent):
        tickets.look(session, Purpose.confirm, token, now=now)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
class TestOnEitherDatabase:
    def test_a_ticket_for_one_purpose_is_nothing_for_another(
        self, session: Session, now: datetime
    ) -> None:
        token = a_ticket(session, now, Purpose.export)

        with pytest.raises(NoSuchTicket):
            tickets.spend(session, Purpose.erase, token, now=now)
        assert tickets.spend(session, Purpose.export, token, now=now) == "7"

    def test_a_ticket_has_its_time(self, session: Session, now: datetime) -> None:
        token = a_ticket(session, now)

        with pytest.raises(TicketExpired):
            tickets.spend(session, Purpose.confirm, token, now=now + HOUR)
        assert tickets.subject_of(session, Purpose.confirm, token) == "7"

    def test_the_store_alone_makes_no_link(self, session: Session, now: datetime) -> None:
        token = a_ticket(session, now)

        kept = session.exec(select(Ticket)).one()

        assert token.encode() not in kept.token_hash
        with pytest.raises(NoSuchTicket):
            tickets.look(session, Purpose.confirm, kept.token_hash.hex(), now=now)

    def test_tickets_that_were_withdrawn_are_too_old(self, session: Session, now: datetime) -> None:
        token = a_ticket(session, now)

        tickets.withdraw(session, Purpose.confirm, "7", now=now)

        with pytest.raises(TicketExpired):
            tickets.spend(session, Purpose.confirm, token, now=now + timedelta(seconds=1))

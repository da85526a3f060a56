"""Somebody who stands in a list twice: the line that says they have left is the one that counts."""

import io
from datetime import datetime, timedelta

import pytest

from newsletter.database import reading, unit_of_work
from newsletter.readers import importing
from subscribers.importing.bulk import Fate
from subscribers.models import SubscriberStatus
from subscribers.subscription import add_confirmed, find
from tests.test_lists import secret, taken


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("size", [1, 5000], ids=["in batches of one", "in one batch"])
def test_who_left_by_a_later_line_has_left(
    now: datetime, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("newsletter.readers.importing.BATCH", size)
    with unit_of_work() as session:
        for name in ("reader", "back"):
            add_confirmed(
                session, f"{name}@x.example", page="", wording="", secret=secret(), now=now
            )
    data = (
        b"email,status\nada@x.example,active\nreader@x.example,active\ngrace@x.example,unsubscribed\n"
        b"ADA@x.example,unsubscribed\nreader@x.example,unsubscribed\ngrace@x.example,active\n"
        b"ada@x.example,active\nada@x.example,bounced\n"
    )
    expected = {Fate.left_there: 2, Fate.known: 1, Fate.repeated: 5}

    sheet = importing.look_at(io.BytesIO(data), "list.csv")
    assert importing.rehearse(sheet, refused=io.BytesIO(), now=now).counts == expected
    assert taken(data, now=now + timedelta(hours=1)) == expected

    with reading() as session:
        standing = {
            name: person.status
            for name in ("ada", "grace", "reader", "back")
            if (person := find(session, f"{name}@x.example", secret=secret()))
        }
    gone, there = SubscriberStatus.unsubscribed, SubscriberStatus.active
    assert standing == {"ada": gone, "grace": gone, "reader": there, "back": there}

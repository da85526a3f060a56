"""What a provider remembers of a batch, over real HTTP: the events that its webhook told, or did not."""

import pytest

from newsletter.clock import utc_now
from newsletter.esp import CannotTell, Copy, Event
from newsletter.esp.history import Remembers
from newsletter.sandbox.config import DIALECTS
from tests.esp.mailings import a_mailing
from tests.esp.sandboxes import Sandbox
from tests.support.processes import wait_until

TELLING = ("sendgrid", "mailgun", "brevo")
remembering = pytest.mark.parametrize("name", TELLING)


def told(sandbox: Sandbox, name: str, batch: str) -> list[Event]:
    esp = sandbox.adapter(name)
    assert isinstance(esp, Remembers)
    found: list[Event] = []
    after: str | None = None
    since = utc_now().replace(hour=0, minute=0, second=0, microsecond=0)
    while True:
        chapter = esp.history(batch, since=since, now=utc_now(), after=after)
        assert not isinstance(chapter, CannotTell), chapter
        found += chapter.events
        if (after := chapter.after) is None:
            return found


@remembering
def test_what_became_of_each_copy_of_a_batch_and_of_no_other(name: str, sandbox: Sandbox) -> None:
    esp = sandbox.adapter(name)
    fates = ("ada", "bounce+1", "complain+1")
    copies = [Copy(f"d-{n:06}", f"{one}@example.com", ("t", "e")) for n, one in enumerate(fates)]
    esp.send(esp.encode(a_mailing(copies)))

    whom = {"d-000000": "ada", "d-000001": "bounce+1", "d-000002": "complain+1"}

    def of_whom(found: list[Event]) -> set[tuple[str, str]]:
        return {
            (
                whom[event.delivery] if event.delivery else (event.address or "").split("@")[0],
                event.kind,
            )
            for event in found
        }

    # It happens a moment after the call; how soon is the provider's own affair.
    wait_until(
        lambda: (
            {("ada", "delivered"), ("bounce+1", "hard_bounced")}
            <= of_whom(told(sandbox, name, "b-0001"))
        ),
        within=20,
        what="what became of the copies",
    )
    found = told(sandbox, name, "b-0001")
    known = of_whom(found)
    assert ("ada", "hard_bounced") not in known
    assert len({event.key for event in found}) == len(found)
    assert told(sandbox, name, "b-0002") == []


@remembering
def test_asked_twice_it_tells_the_same_under_the_same_keys(name: str, sandbox: Sandbox) -> None:
    esp = sandbox.adapter(name)
    esp.send(esp.encode(a_mailing(3)))

    def keys() -> list[str]:
        return [event.key for event in told(sandbox, name, "b-0001")]

    # Once all of it has happened: it comes a moment after the call, and not at one moment.
    wait_until(lambda: keys() == keys() != [], within=20, what="the same answer twice")


@remembering
def test_a_provider_that_is_in_trouble_tells_nothing(name: str, sandbox: Sandbox) -> None:
    esp = sandbox.adapter(name)
    assert isinstance(esp, Remembers)
    sandbox.order("too_many", on="search")

    assert isinstance(esp.history("b-0001", since=utc_now(), now=utc_now()), CannotTell)


@pytest.mark.parametrize("name", [one for one in DIALECTS if one not in TELLING])
def test_the_others_cannot_be_asked_by_batch(name: str, sandbox: Sandbox) -> None:
    assert not isinstance(sandbox.adapter(name), Remembers)

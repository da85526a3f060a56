"""Each provider's suppressions over real HTTP: read by pages, added to by portions."""

import pytest

from newsletter.esp import CannotTell, Copy
from newsletter.esp.lists import KeepsLists, Listed, Lists, Why
from newsletter.sandbox.config import DIALECTS
from tests.esp.mailings import a_mailing
from tests.esp.sandboxes import Sandbox

everywhere = pytest.mark.parametrize("name", DIALECTS)
ADDING = [name for name in DIALECTS if name != "brevo"]


def lists_of(sandbox: Sandbox, name: str) -> Lists:
    esp = sandbox.adapter(name)
    assert isinstance(esp, KeepsLists)
    return esp.lists


def everything(lists: Lists) -> list[Listed]:
    found: list[Listed] = []
    for name in lists.names:
        after = None
        while True:
            page = lists.page(name, after)
            assert not isinstance(page, CannotTell), page
            found += page.entries
            if (after := page.after) is None:
                break
    return found


@everywhere
def test_whoever_bounced_complained_or_left_there_is_on_its_lists(
    name: str, sandbox: Sandbox
) -> None:
    esp = sandbox.adapter(name)
    fates = {"bounce": Why.bounced, "complain": Why.complained, "unsubscribe": Why.left}
    people = [f"{fate}+1@example.com" for fate in (*fates, "open")]
    copies = [Copy(f"d-{n}", address, ("t", "e")) for n, address in enumerate(people)]
    esp.send(esp.encode(a_mailing(copies)))

    found = {one.address: one.why for one in everything(lists_of(sandbox, name))}

    told = {
        fate: why
        for fate, why in fates.items()
        if why is not Why.left or name not in ("ses", "resend")
    }
    assert found == {f"{fate}+1@example.com": why for fate, why in told.items()}


@pytest.mark.parametrize("name", ADDING)
def test_whoever_is_added_stands_there_afterwards_and_twice_is_once(
    name: str, sandbox: Sandbox
) -> None:
    lists = lists_of(sandbox, name)
    people = [Listed(f"gone{n:04}@example.com", Why.bounced) for n in range(lists.at_most)]

    assert lists.put_on(people) is None
    assert lists.put_on(people) is None

    found = everything(lists)
    assert [one.address for one in found] == [one.address for one in people]
    assert all(one.since is not None for one in found)


@pytest.mark.parametrize(("name", "size"), [("sendgrid", 500), ("mailgun", 1000), ("resend", 100)])
def test_long_lists_come_by_pages(name: str, size: int, sandbox: Sandbox) -> None:
    lists = lists_of(sandbox, name)
    people = [Listed(f"gone{n:04}@example.com", Why.bounced) for n in range(size + 30)]
    for at in range(0, len(people), lists.at_most):
        assert lists.put_on(people[at : at + lists.at_most]) is None

    assert [one.address for one in everything(lists)] == [one.address for one in people]


def test_brevo_has_no_call_that_adds(sandbox: Sandbox) -> None:
    lists = lists_of(sandbox, "brevo")

    assert lists.takes == frozenset()
    assert isinstance(lists.put_on([Listed("a@example.com", Why.bounced)]), CannotTell)


@everywhere
def test_a_provider_that_is_in_trouble_tells_nothing(name: str, sandbox: Sandbox) -> None:
    lists = lists_of(sandbox, name)
    sandbox.order("too_many", on="search")

    page = lists.page(lists.names[0], None)

    assert isinstance(page, CannotTell)
    assert "slow down" in page.reason

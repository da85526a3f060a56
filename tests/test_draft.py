"""What editors decide: the order, pins, voices, notes; each change a version that can be restored."""

from datetime import datetime, timedelta

import pytest
from sqlmodel import Session, col, select

from digests.facts import ComparisonFacts
from digests.lifecycle import IllegalTransition
from digests.making import assembly, versions
from digests.making.differences import differences
from digests.making.draft import BadWords, Draft, HeldByAPin, LastOne, NotInIt, Omission, Place
from digests.making.shelf import shelf
from digests.models import Digest, DigestItem, DigestStatus
from digests.store import intake
from digests.store.comparisons import Revision, latest_revision
from digests.words.voices import seats
from newsletter.editions import production
from tests.web.scene import a_draft

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

A, B, C, D = 1, 2, 3, 4
NAMES = {A: "Ada vs Bob", B: "Cy vs Di", C: "Ed vs Flo", D: "Gus vs Hal"}


def draft_of(*places: int | Place) -> Draft:
    return Draft(
        subject="Two dissents",
        preheader="And a price",
        opening="This week.",
        places=tuple(one if isinstance(one, Place) else Place(revision_id=one) for one in places),
    )


def order(draft: Draft) -> list[int]:
    return [place.revision_id for place in draft.places]


PINNED = Place(revision_id=B, pinned=True)


class TestTheOrder:
    def test_what_is_not_named_follows_in_its_present_order(self) -> None:
        assert order(draft_of(A, B, C, D).ordered([D, B])) == [D, B, A, C]

    def test_a_pinned_comparison_keeps_its_place_whatever_is_dragged_around_it(self) -> None:
        assert order(draft_of(A, PINNED, C, D).ordered([D, C, B, A])) == [D, B, C, A]

    def test_a_step_goes_over_a_pinned_one(self) -> None:
        assert order(draft_of(A, PINNED, C).moved(C, up=True)) == [C, B, A]

    def test_the_first_cannot_go_higher(self) -> None:
        assert order(draft_of(A, B).moved(A, up=True)) == [A, B]

    def test_a_pinned_one_is_not_moved(self) -> None:
        with pytest.raises(HeldByAPin):
            draft_of(A, PINNED).moved(B, up=True)

    def test_whichever_leads_stands_first_and_pins_further_down_hold(self) -> None:
        assert order(draft_of(A, PINNED, C, D).led_by(D)) == [D, B, A, C]

    def test_a_pinned_lead_is_not_pushed_aside(self) -> None:
        with pytest.raises(HeldByAPin):
            draft_of(PINNED, A).led_by(A)

    def test_an_order_of_something_else_is_refused(self) -> None:
        with pytest.raises(NotInIt):
            draft_of(A).ordered([B])


class TestWhatIsInIt:
    def test_one_that_is_left_out_keeps_the_reason_and_can_be_taken_in_again(
        self, now: datetime
    ) -> None:
        without = draft_of(A, B).without(A, reason=" too thin ", by="Ada", now=now)

        assert order(without) == [B]
        assert without.left_out == (Omission(revision_id=A, reason="too thin", by="Ada", at=now),)
        assert without.including(A) == draft_of(B, A)

    def test_nobody_leaves_one_out_without_a_word(self, now: datetime) -> None:
        with pytest.raises(BadWords, match="why it is left out"):
            draft_of(A, B).without(A, reason=" ", by="Ada", now=now)

    def test_the_last_one_stays(self, now: datetime) -> None:
        with pytest.raises(LastOne):
            draft_of(A).without(A, reason="too thin", by="Ada", now=now)

    def test_words_are_one_line_and_a_subject_is_never_empty(self) -> None:
        assert draft_of(A).reworded(subject="One\n two ").subject == "One two"
        turned = draft_of(A).reworded(subject="One \u202eowt\u202c", opening="Three\u2067 \x00four")
        assert (turned.subject, turned.opening) == ("One owt", "Three four")
        with pytest.raises(BadWords, match="subject"):
            draft_of(A).reworded(subject=" ")
        with pytest.raises(BadWords, match="301 characters"):
            draft_of(A).reworded(preheader="x" * 301)


class TestDifferences:
    @pytest.mark.parametrize(
        ("after", "said"),
        [
            (draft_of(A, B, C).reworded(subject="New"), ["changed the subject"]),
            (draft_of(B, A, C), ["let Cy vs Di lead"]),
            (draft_of(A, C, B), ["moved Ed vs Flo to place 2"]),
            (draft_of(C, B, A), ["changed the order"]),
            (draft_of(A, B, C, D), ["took in Gus vs Hal"]),
            (draft_of(A, PINNED, C), ["pinned Cy vs Di"]),
            (draft_of(A, B, C).noted(C, "New."), ["changed the note on Ed vs Flo"]),
            (draft_of(A, B, C).quoting(A, ["x"]), ["quotes one chosen voice on Ada vs Bob"]),
            (draft_of(A, B, C).quoting(A, []), ["quotes nobody on Ada vs Bob"]),
            (draft_of(A, B), ["left out Ed vs Flo"]),
        ],
    )
    def test_each_change_is_a_sentence(self, after: Draft, said: list[str]) -> None:
        assert [one.what for one in differences(draft_of(A, B, C), after, NAMES)] == said

    def test_a_newer_revision_of_the_same_comparison_is_neither_gone_nor_new(self) -> None:
        found = differences(
            draft_of(A, B), draft_of(A, B).refreshed(B, to=D), NAMES | {D: NAMES[B]}
        )

        assert [one.what for one in found] == ["brought Cy vs Di up to date with the store"]


@on_sqlite
class TestVersions:
    def test_each_save_is_a_version_with_who_when_and_what(
        self, session: Session, now: datetime
    ) -> None:
        digest = a_draft(session, now=now)
        before = versions.read(session, digest)

        versions.save(session, digest, before.reworded(subject="New"), seen=1, by="Ada", now=now)
        changed = versions.read(session, digest)
        first, *_ = order(changed)
        versions.save(session, digest, changed.moved(first, up=False), seen=2, by="Grace", now=now)

        told = [(one.number, one.by, one.what) for one in versions.history(session, digest)]
        assert [(number, by) for number, by, _ in told] == [
            (3, "Grace"),
            (2, "Ada"),
            (1, "the service"),
        ]
        assert told[1][2] == "Changed the subject"
        assert versions.at(session, digest, 1) == before

    def test_the_same_content_makes_no_version(self, session: Session, now: datetime) -> None:
        digest = a_draft(session, now=now)

        same = versions.read(session, digest)

        assert versions.save(session, digest, same, seen=1, by="Ada", now=now) is None
        assert digest.version == 1

    def test_an_older_version_is_restored_as_a_new_one(
        self, session: Session, now: datetime
    ) -> None:
        digest = a_draft(session, now=now)
        first = versions.read(session, digest)
        lead = order(first)[0]
        without = first.without(lead, reason="thin", by="Ada", now=now).reworded(subject="New")
        versions.save(session, digest, without, seen=1, by="Ada", now=now)

        versions.save(session, digest, versions.at(session, digest, 1), seen=2, by="Ada", now=now)

        assert versions.read(session, digest) == first
        assert digest.version == 3

    def test_a_version_that_nobody_saved_is_not_there(
        self, session: Session, now: datetime
    ) -> None:
        with pytest.raises(versions.NoSuchVersion):
            versions.at(session, a_draft(session, now=now), 7)

    def test_an_edit_takes_an_approval_back_and_says_whose_it_was(
        self, session: Session, now: datetime
    ) -> None:
        digest = a_draft(session, now=now)
        production.approve(session, digest, by="Grace", now=now)

        draft = versions.read(session, digest).reworded(subject="New")
        versions.save(session, digest, draft, seen=1, by="Ada", now=now)

        assert digest.status is DigestStatus.draft
        assert digest.approved_by is None
        assert "Ada edited it after it was approved: changed the subject" in str(
            digest.paused_reason
        )

    def test_an_edition_on_its_way_is_not_edited(self, session: Session, now: datetime) -> None:
        digest = a_draft(session, now=now)
        digest.status = DigestStatus.sending
        draft = versions.read(session, digest).reworded(subject="New")

        with pytest.raises(IllegalTransition):
            versions.save(session, digest, draft, seen=1, by="Ada", now=now)


def test_of_two_editors_the_second_is_refused_and_nothing_is_overwritten(
    session: Session, now: datetime
) -> None:
    digest = a_draft(session, now=now)
    seen_by_both = versions.read(session, digest)
    hers = seen_by_both.reworded(subject="Hers")
    versions.save(session, digest, hers, seen=1, by="Grace", now=now)

    with pytest.raises(versions.Overtaken, match="Grace has changed") as refused:
        versions.save(
            session, digest, seen_by_both.reworded(subject="His"), seen=1, by="Linus", now=now
        )

    assert refused.value.version == 2
    assert versions.read(session, digest).subject == "Hers"


def test_one_left_out_is_on_the_shelf_and_in_the_next_edition(
    session: Session, now: datetime
) -> None:
    digest = a_draft(session, now=now)
    draft = versions.read(session, digest)
    one = order(draft)[0]
    titles = versions.titles(session, draft)

    without = draft.without(one, reason="too thin", by="Ada", now=now)
    versions.save(session, digest, without, seen=1, by="Ada", now=now)

    on_it = shelf(session, digest)
    assert [(each.revision_id, each.left_out) for each in on_it] == [(one, "Ada: too thin")]
    assert on_it[0].title == titles[one]
    next_week = assembly.choose(session, before=now + timedelta(days=7), at_most=10)
    assert [revision.id for revision in next_week] == [one]


def test_a_revision_that_another_edition_took_meanwhile_is_refused(
    session: Session, now: datetime
) -> None:
    digest = a_draft(session, now=now)
    draft = versions.read(session, digest)
    one = order(draft)[0]
    without = draft.without(one, reason="too thin", by="Ada", now=now)
    versions.save(session, digest, without, seen=1, by="Ada", now=now)
    other = Digest(**digest.model_dump(exclude={"id", "issue", "version"}), issue="2026-W49")
    session.add(other)
    session.flush()
    session.add(DigestItem(digest_id=other.id or 0, revision_id=one, position=0))
    session.flush()

    with pytest.raises(versions.ElsewhereAlready):
        versions.save(session, digest, without.including(one), seen=2, by="Ada", now=now)


@on_sqlite
def test_the_revision_that_a_refreshed_edition_gave_back_is_not_news_again(
    session: Session, now: datetime
) -> None:
    digest = a_draft(session, now=now)
    draft = versions.read(session, digest)
    old = session.get_one(Revision, order(draft)[0])
    facts = ComparisonFacts.model_validate(old.facts)
    left = facts.tools[0].model_copy(update={"pricing": "Paid, from $9"})
    changed = facts.model_copy(update={"tools": (left, facts.tools[1])})
    intake.take_in(session, changed, source="again", now=now)
    new = latest_revision(session, facts.slug)
    assert new is not None
    assert new.id != old.id

    refreshed = draft.refreshed(old.id or 0, to=new.id or 0)
    versions.save(session, digest, refreshed, seen=1, by="Ada", now=now)

    free = assembly.choose(session, before=now + timedelta(days=1), at_most=10)
    assert not {old.id, new.id} & {revision.id for revision in free}
    assert not {old.id, new.id} & {one.revision_id for one in shelf(session, digest)}


@on_sqlite
def test_the_shelf_finds_older_ones_by_the_beginning_of_a_tool(
    session: Session, now: datetime
) -> None:
    digest = a_draft(session, now=now)
    session.delete(
        session.exec(select(DigestItem).where(col(DigestItem.digest_id) == digest.id)).first()
    )
    session.flush()

    assert len(shelf(session, digest, search="smolvlm2-2b vs")) == 0
    assert len(shelf(session, digest, search="SmolVLM2")) == 1


@on_sqlite
def test_chosen_reviewers_are_heard_and_a_note_stands_in_the_mail(
    session: Session, now: datetime
) -> None:
    digest = a_draft(session, now=now)
    draft = versions.read(session, digest)
    one = order(draft)[0]
    facts = assembly.edition(session, digest, address="").entries[0].facts
    chosen = [seat for seat in seats(facts) if seat.quote][:3]

    changed = draft.quoting(one, [seat.key for seat in chosen]).noted(one, "We *use* it.")
    versions.save(session, digest, changed, seen=1, by="Ada", now=now)

    entry = assembly.edition(session, digest, address="").entries[0]
    assert entry.quotes == tuple(seat.quote for seat in chosen)
    html = production.preview(session, digest).rendered.content.html
    assert "We <em>use</em> it." in html
    assert all(seat.quote and seat.quote.text.split("'")[0][:30] in html for seat in chosen)

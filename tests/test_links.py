"""Links in mail: short, good for one purpose and one copy, and for years."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter import links
from newsletter.links import CopyRef, Purpose
from tests.conftest import Configure

digests = st.integers(1, 2**24 - 1)
people = st.integers(1, 2**40 - 1)


@given(digests, people)
def test_a_link_names_its_copy_and_nothing_else(digest_id: int, subscriber_id: int) -> None:
    tags = links.signer().all_for(digest_id, subscriber_id)

    for purpose in Purpose:
        named = links.copy_of(links.token(tags, purpose), purpose)
        assert named == CopyRef(digest_id, subscriber_id)
    assert links.copy_of_ref(links.ref(tags)) == CopyRef(digest_id, subscriber_id)


@pytest.mark.parametrize(("made_for", "used_for"), list(combinations(Purpose, 2)))
def test_a_link_for_one_purpose_is_none_for_another(made_for: Purpose, used_for: Purpose) -> None:
    link = links.token(links.signer().all_for(7, 42), made_for)

    assert links.copy_of(link, used_for) is None


@given(digests, st.lists(people, min_size=1, max_size=5))
def test_sealing_many_copies_gives_what_each_alone_would(digest_id: int, ids: list[int]) -> None:
    signer = links.signer()

    sealed = signer.seal(digest_id, ids)

    for subscriber_id, (ref, *tokens) in zip(ids, sealed, strict=True):
        tags = signer.all_for(digest_id, subscriber_id)
        assert ref == links.ref(tags)
        assert tokens == [links.token(tags, one) for one in Purpose if one is not Purpose.verdict]
    heads = [ref[:12] for ref, *_ in sealed]
    assert [
        head + tag for head, tag in zip(heads, signer.verdicts(digest_id, ids), strict=True)
    ] == [links.token(signer.all_for(digest_id, one), Purpose.verdict) for one in ids]


@given(digests, people, st.integers(-6, 6))
def test_neighbours_share_a_hash_and_no_link(digest_id: int, person: int, away: int) -> None:
    mine = links.token(links.signer().all_for(digest_id, person), Purpose.verdict)
    other = links.token(links.signer().all_for(digest_id, max(1, person + away)), Purpose.verdict)

    assert (mine[12:] == other[12:]) == (max(1, person + away) == person)
    assert links.copy_of(other[:12] + mine[12:], Purpose.verdict) == (
        CopyRef(digest_id, person) if mine == other else None
    )


@given(st.integers(0, 27), st.characters(codec="utf-8"))
def test_one_changed_character_makes_a_link_worthless(position: int, other: str) -> None:
    link = links.token(links.signer().all_for(7, 42), Purpose.unsubscribe)
    changed = link[:position] + other + link[position + 1 :]

    assert (links.copy_of(changed, Purpose.unsubscribe) is None) == (changed != link)


@pytest.mark.parametrize(
    "rubbish", ["", "x", "é" * 28, "=" * 28, "A" * 28, "../" * 9 + "a", " " * 28]
)
def test_rubbish_names_nobody(rubbish: str) -> None:
    assert all(links.copy_of(rubbish, purpose) is None for purpose in Purpose)
    assert links.copy_of_ref(rubbish) is None
    assert links.batch_of_tag(rubbish) is None


def test_links_already_mailed_survive_a_new_secret(configure: Configure) -> None:
    configure(link_secret="the first secret")
    mailed = links.token(links.signer().all_for(7, 42), Purpose.unsubscribe)

    configure(link_secret="the second secret", former_link_secrets="the first secret")

    assert links.copy_of(mailed, Purpose.unsubscribe) == CopyRef(7, 42)
    fresh = links.token(links.signer().all_for(7, 42), Purpose.unsubscribe)
    assert fresh != mailed


def test_a_secret_that_leaked_and_was_dropped_opens_nothing(configure: Configure) -> None:
    configure(link_secret="leaked")
    mailed = links.token(links.signer().all_for(7, 42), Purpose.unsubscribe)

    configure(link_secret="fresh", former_link_secrets="")

    assert links.copy_of(mailed, Purpose.unsubscribe) is None


@given(digests, st.integers(1, 10**9))
def test_a_batch_tag_is_ours_or_nobodys(digest_id: int, number: int) -> None:
    tag = links.batch_tag(digest_id, number)

    assert links.batch_of_tag(tag) == (digest_id, number)
    assert links.batch_of_tag(f"b{digest_id}-{number + 1}-{tag.rpartition('-')[2]}") is None

"""Signed references to one person's copy: short enough for a header, useless for anything else.

A reference is 12 characters that name the copy, and a tag of 16 that proves one
purpose: a link that unsubscribes cannot be turned into one that votes. Tags for
the first five purposes are slices of one keyed hash, so a thousand copies cost a
thousand hashes; those for verdicts are slices of one that five neighbours share,
which costs two hundred more. Links in mail already sent must work for years: there is no expiry, and
a former secret still verifies (the first byte says which secret signed).
"""

import hashlib
import hmac
import re
from base64 import b64encode
from binascii import a2b_base64
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Final

from newsletter.settings import settings


class Purpose(IntEnum):
    """What a link is for; the value is its slice of the hash, so it never changes."""

    unsubscribe = 0
    preferences = 1
    view = 2
    open = 3
    click = 4
    verdict = 5  # vote and keep; its slice is of the neighbours' hash


@dataclass(frozen=True, slots=True)
class CopyRef:
    """The copy that a link or an event names."""

    digest_id: int
    subscriber_id: int


_BATCH_TAG: Final = re.compile(r"b([0-9]{1,9})-([0-9]{1,18})-([0-9a-f]{10})")

#: A delivery reference, then one token for each purpose but ``verdict``.
Sealed = tuple[str, str, str, str, str, str]

_LETTER_TAG: Final = re.compile(r"m([0-9]{1,18})-([0-9a-f]{10})")

_HEAD: Final = 12  # characters: 1 byte for the key, 3 for the digest, 5 for the subscriber
_TAG: Final = 16  # characters: 12 bytes of the hash
_REF_TAG: Final = 4  # characters: 3 bytes, for the reference that providers echo
_OWN: Final = 96  # characters: the head, the tags of five purposes and the reference's
_NEIGHBOURS: Final = 5  # tags in one hash of 60 bytes
_HEAD_BYTES, _TAG_BYTES, _REF_TAG_BYTES = 9, 12, 3  # of the same, decoded
_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")
_PLAIN: Final = str.maketrans("-_", "+/")


class Signer:
    """Makes and checks references with one secret, known by the number *key_no*."""

    def __init__(self, secret: bytes, key_no: int) -> None:
        self.secret = secret
        self.key_no = key_no
        # Copied for each reference: setting up the key costs as much as the hash itself.
        self._keyed = hashlib.blake2b(digest_size=63, key=secret)
        self._shared = hashlib.blake2b(digest_size=60, key=secret, person=b"verdicts")

    def all_for(self, digest_id: int, subscriber_id: int) -> str:
        """Head and every tag in one string of 112 characters; slice it with ``token`` and ``ref``."""
        head = (self.key_no << 64 | digest_id << 40 | subscriber_id).to_bytes(9)
        tags = self._keyed.copy()
        tags.update(head)
        own = b64encode(head + tags.digest()).translate(_URL_SAFE).decode()
        return own + self.verdicts(digest_id, [subscriber_id])[0]

    def seal(self, digest_id: int, subscriber_ids: Iterable[int]) -> list[Sealed]:
        """The delivery reference and the tokens (in the order of ``Purpose``) of many copies.

        The loop of ``all_for``, ``ref`` and ``token``, written out: it runs for every reader.
        """
        base = self.key_no << 64 | digest_id << 40
        copy = self._keyed.copy
        raw: list[bytes] = []
        for subscriber_id in subscriber_ids:
            head = (base | subscriber_id).to_bytes(9)
            tags = copy()
            tags.update(head)
            raw += (head, tags.digest())
        # 72 bytes a copy are 96 characters, without padding: all of them are encoded at once.
        text = b64encode(b"".join(raw)).translate(_URL_SAFE).decode()
        sealed: list[Sealed] = []
        for at in range(0, len(text), 96):
            name = text[at : at + 12]
            sealed.append(
                (
                    name + text[at + 92 : at + 96],
                    name + text[at + 12 : at + 28],
                    name + text[at + 28 : at + 44],
                    name + text[at + 44 : at + 60],
                    name + text[at + 60 : at + 76],
                    name + text[at + 76 : at + 92],
                )
            )
        return sealed

    def verdicts(self, digest_id: int, subscriber_ids: Iterable[int]) -> list[str]:
        """The tags of many copies for ``Purpose.verdict``, to put behind their heads.

        Neighbours come together, as a batch has them, and share a hash: each has its own slice.
        """
        base = self.key_no << 64 | digest_id << 40
        copy, tags, known, made = self._shared.copy, "", -1, []
        for subscriber_id in subscriber_ids:
            block, slot = divmod(subscriber_id, _NEIGHBOURS)
            if block != known:
                hashed = copy()
                hashed.update((base | block).to_bytes(9))
                tags, known = b64encode(hashed.digest()).translate(_URL_SAFE).decode(), block
            made.append(tags[slot * _TAG : slot * _TAG + _TAG])
        return made

    def tag(self, head: bytes, purpose: Purpose | None) -> bytes:
        """What proves that *head* stands in a link for *purpose*; None: in a delivery reference."""
        if purpose is Purpose.verdict:
            block, slot = divmod(int.from_bytes(head[4:]), _NEIGHBOURS)
            hashed = self._shared.copy()
            hashed.update(head[:4] + block.to_bytes(5))
            return hashed.digest()[slot * _TAG_BYTES :][:_TAG_BYTES]
        hashed = self._keyed.copy()
        hashed.update(head)
        tags = hashed.digest()
        if purpose is None:
            return tags[-_REF_TAG_BYTES:]
        return tags[purpose * _TAG_BYTES :][:_TAG_BYTES]


def token(all_tags: str, purpose: Purpose) -> str:
    """The 28 characters of a link, out of what ``Signer.all_for`` made."""
    start = _OWN if purpose is Purpose.verdict else _HEAD + _TAG * purpose
    return all_tags[:_HEAD] + all_tags[start : start + _TAG]


def ref(all_tags: str) -> str:
    """The 16 characters that go to the provider as our delivery reference."""
    return all_tags[:_HEAD] + all_tags[_OWN - _REF_TAG : _OWN]


def batch_tag(digest_id: int, number: int) -> str:
    """What the provider knows a batch by: ours to recognise, and nobody else's to guess."""
    return f"b{digest_id}-{number}-{_batch_mac(digest_id, number)}"


def batch_tags(digest_id: int, number: int) -> tuple[str, ...]:
    """Every name under which a provider may know a batch: of each secret, the present one's first."""
    return tuple(f"b{digest_id}-{number}-{_batch_mac(digest_id, number, by)}" for by in _signers())


def batch_of_tag(tag: str) -> tuple[int, int] | None:
    """The digest and the number that *tag* names, None if it is not one of ours."""
    if (shape := _BATCH_TAG.fullmatch(tag)) is None:
        return None
    digest_id, number = int(shape[1]), int(shape[2])
    for candidate in _signers():
        expected = _batch_mac(digest_id, number, candidate)
        if hmac.compare_digest(expected.encode(), shape[3].encode()):
            return digest_id, number
    return None


def letter_tag(letter_id: int) -> str:
    """What the provider knows a letter by, as a batch and as a delivery: it is one copy."""
    return f"m{letter_id}-{_letter_mac(letter_id, signer())}"


def letter_tags(letter_id: int) -> tuple[str, ...]:
    """Every name under which a provider may know a letter, the present secret's first."""
    return tuple(f"m{letter_id}-{_letter_mac(letter_id, by)}" for by in _signers())


def letter_of_tag(tag: str) -> int | None:
    """The letter that *tag* names, None if it is not one of ours."""
    if (shape := _LETTER_TAG.fullmatch(tag)) is None:
        return None
    for candidate in _signers():
        expected = _letter_mac(int(shape[1]), candidate)
        if hmac.compare_digest(expected.encode(), shape[2].encode()):
            return int(shape[1])
    return None


def own(subscriber_id: int, purpose: Purpose) -> str:
    """A person's own link that belongs to no edition: its copy has the digest 0."""
    return token(signer().all_for(0, subscriber_id), purpose)


def signer() -> Signer:
    """The signer for new mail."""
    return _signers()[0]


def copy_of(link: str, purpose: Purpose) -> CopyRef | None:
    """The copy that *link* names, None unless it was signed for *purpose*."""
    return _verified(link, purpose) if len(link) == _HEAD + _TAG else None


def copy_of_ref(reference: str) -> CopyRef | None:
    """The copy that an event's delivery reference names, None if it is not one of ours."""
    return _verified(reference, None) if len(reference) == _HEAD + _REF_TAG else None


def _verified(link: str, purpose: Purpose | None) -> CopyRef | None:
    """The copy that *link* names when its tag is that of *purpose*, or of a reference (None)."""
    if "+" in link or "/" in link:
        return None  # the other alphabet: no link of ours, though it would say the same
    try:
        raw = a2b_base64(link.translate(_PLAIN), strict_mode=True)
    except ValueError:
        return None
    head, tag = raw[:_HEAD_BYTES], raw[_HEAD_BYTES:]
    for candidate in _signers():
        if candidate.key_no == head[0] and hmac.compare_digest(candidate.tag(head, purpose), tag):
            return CopyRef(int.from_bytes(head[1:4]), int.from_bytes(head[4:]))
    return None


def _batch_mac(digest_id: int, number: int, by: Signer | None = None) -> str:
    key = (by or signer()).secret
    return hashlib.blake2b(b"%d-%d" % (digest_id, number), digest_size=5, key=key).hexdigest()


def _letter_mac(letter_id: int, by: Signer) -> str:
    return hashlib.blake2b(b"letter-%d" % letter_id, digest_size=5, key=by.secret).hexdigest()


@lru_cache
def _signers() -> tuple[Signer, ...]:
    """The current secret first, then the former ones."""
    former = settings().former_link_secrets.get_secret_value()
    secrets = [settings().link_secret.get_secret_value(), *filter(None, former.split(","))]
    return tuple(_signer_with(secret.strip()) for secret in secrets)


def _signer_with(secret: str) -> Signer:
    key = hashlib.blake2b(secret.encode(), digest_size=32, person=b"links").digest()
    return Signer(key, hashlib.blake2b(key, digest_size=1).digest()[0])

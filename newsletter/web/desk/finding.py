"""Which reader an editor means: by a whole address, a number, or how an address, name or domain begins."""

from dataclasses import dataclass
from typing import Final

from sqlmodel import Session, col, select

from digests.lifecycle import DigestError
from newsletter.accounts.models import Role
from newsletter.settings import settings
from newsletter.web.desk.mail import Eyes, NoSuchReader, eyes, of_a_reader
from newsletter.web.office.staff import SignedIn
from subscribers import looking
from subscribers.addresses import BadAddress, address_key, normal_form
from subscribers.looking import Wanted
from subscribers.models import Subscriber, SubscriberStatus

#: To choose from.
MOST: Final = 10
_BEGINS: Final = "Nobody who gets mail has an address or a name that begins like that."
_WHOLE: Final = (
    "Nobody who gets mail has that address or number. A whole address finds its reader; @ and the "
    "beginning of a domain finds those who read there."
)


class SeveralReaders(DigestError):
    """Where one reader is needed, and the words are the beginning of several."""

    def __init__(self) -> None:
        super().__init__(
            "Several readers begin like that: write more of it, or choose one at the desk, which has "
            "a button for a copy as well."
        )


@dataclass(frozen=True, slots=True)
class Found:
    """Whom the words may mean, masked as the desk masks everybody; *says* why it is nobody."""

    words: str
    readers: tuple[Eyes, ...]
    is_more: bool = False
    says: str = ""


def find(session: Session, words: str, *, who: SignedIn) -> Found:
    """Whoever gets mail and is meant by *words*: one, or several to choose from, or nobody.

    Beginnings of addresses and names are for those who may see the people anyway: by them an
    address could be guessed letter by letter. Domains are shown at the desk to every editor.
    """
    words = words.replace("\0", "").strip()
    if (person := _exactly(session, words)) is not None:
        return Found(words, (of_a_reader(person),))
    may_see = who.may(Role.operator)
    if not words or not (may_see or words.startswith("@")):
        return Found(words, (), says=_BEGINS if may_see else _WHOLE)
    wanted = Wanted(words=words, status=SubscriberStatus.active)
    people = looking.page(session, wanted, after=None, size=MOST + 1).people
    return Found(
        words,
        tuple(of_a_reader(one) for one in people[:MOST]),
        is_more=len(people) > MOST,
        says="" if people else _BEGINS if may_see else _WHOLE,
    )


def the_one(session: Session, words: str, *, who: SignedIn) -> Eyes:
    """The reader whom *words* mean; without words, one of everything.

    Raises NoSuchReader and SeveralReaders.
    """
    if not words.strip():
        return eyes(session, "all")
    found = find(session, words, who=who)
    if not found.readers:
        raise NoSuchReader
    if len(found.readers) > 1:
        raise SeveralReaders
    return found.readers[0]


def _exactly(session: Session, words: str) -> Subscriber | None:
    """The reader with that number or that whole address, if they get mail."""
    if words.isdecimal():
        person = session.get(Subscriber, int(words[:15]))
    else:
        secret = settings().suppression_secret.get_secret_value()
        try:
            key = address_key(normal_form(words), secret=secret)
        except BadAddress:
            return None
        person = session.exec(select(Subscriber).where(col(Subscriber.address_key) == key)).first()
    return person if person is not None and person.status is SubscriberStatus.active else None

"""The service made worse on purpose: a run that finds nothing then proves nothing.

Each sabotage takes one precaution out of a worker. Chaos must find what comes
of it, which ``tests/test_chaos.py`` makes sure of.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from sqlmodel import Session

from digests.ledger import claims, settlement
from newsletter.esp import NotTaken, Unknown
from newsletter.esp.registry import adapters


def commit(name: str) -> None:
    """Take the precaution called *name* out of this process."""
    SABOTAGES[name]()


def _retry_blindly() -> None:
    """What nobody knows counts as not taken, as almost everybody does it."""
    for adapter in adapters.values():
        send = adapter.send

        def blind(self: Any, request: Any, send: Any = send) -> Any:
            outcome = send(self, request)
            return NotTaken(outcome.reason) if isinstance(outcome, Unknown) else outcome

        adapter.send = blind  # type: ignore[method-assign]  # that is the sabotage


def _post_without_intent() -> None:
    """The bytes leave, and no row says so: a dead worker's batch is planned again."""
    intend = claims.intend

    def forgetful(session: Session, claim_: claims.Claim, **named: Any) -> bool:
        with session.begin_nested() as undone:
            allowed = intend(session, claim_, **named)
            undone.rollback()
        return allowed

    claims.intend = forgetful


def _forget_refusals() -> None:
    """Whom the provider refused counts as accepted with the rest of the call."""
    accept = settlement.accept

    def generous(*given: Any, **named: Any) -> bool:
        return accept(*given, **(named | {"refused": {}}))

    settlement.accept = generous


SABOTAGES: Final[Mapping[str, Callable[[], None]]] = {
    "retry-blindly": _retry_blindly,
    "post-without-intent": _post_without_intent,
    "forget-refusals": _forget_refusals,
}

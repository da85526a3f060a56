"""Calls a second are counted for the provider's account, whoever makes them."""

import pytest

from newsletter.delivery.pacing import may_call
from tests.conftest import Configure
from tests.support.servers import Redis


def calls_until_told_to_wait(name: str, most: int = 50) -> int:
    return next((n for n in range(most) if not may_call(name)), most)


def test_workers_share_what_the_account_takes(redis: Redis, configure: Configure) -> None:
    limits = {"redis_url": redis.url, "postmark_calls_per_second": 0.01}
    configure(**limits)
    assert calls_until_told_to_wait("postmark") == 1

    configure(**limits)  # another process: nothing is remembered but what Redis has

    assert calls_until_told_to_wait("postmark") == 0


def test_one_account_does_not_wait_for_another(configure: Configure) -> None:
    configure(mailgun_calls_per_second=0.01, brevo_calls_per_second=0.01)

    assert calls_until_told_to_wait("mailgun") == 1
    assert calls_until_told_to_wait("brevo") == 1


@pytest.mark.parametrize("per_second", [0, -1])
def test_without_a_limit_nobody_waits(configure: Configure, per_second: float) -> None:
    configure(sendgrid_calls_per_second=per_second)

    assert calls_until_told_to_wait("sendgrid") == 50

"""How long a provider asks us to wait, however it writes it."""

from datetime import UTC, datetime

import httpx
import pytest

from newsletter.esp.http import retry_after
from tests.esp.mailings import NOW


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("17", 17.0),
        (" 0.5 ", 0.5),
        ("-3", 0.0),
        ("Fri, 27 Nov 2026 09:01:30 GMT", 90.0),
        ("Fri, 27 Nov 2026 09:01:30 -0000", 90.0),
        ("Fri, 27 Nov 2026 10:01:30 +0100", 90.0),
        ("Fri, 27 Nov 2026 08:00:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 -2300", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("", None),
    ],
)
def test_a_wait_is_read_as_seconds_from_now(value: str, seconds: float | None) -> None:
    answer = httpx.Response(429, headers={"Retry-After": value})

    assert retry_after(answer, now=NOW) == seconds


def test_without_a_clock_of_ours_the_providers_own_counts() -> None:
    wait = {"Retry-After": "Fri, 27 Nov 2026 09:01:30 GMT"}

    dated = httpx.Response(429, headers=wait | {"Date": "Fri, 27 Nov 2026 09:01:00 GMT"})

    assert retry_after(dated) == 30.0
    assert retry_after(httpx.Response(429, headers=wait)) is None
    assert retry_after(dated, now=datetime(2026, 11, 27, 9, 1, 20, tzinfo=UTC)) == 10.0

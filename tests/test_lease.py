"""The lease and the provider's timeout: a call must be able to end while its batch is still its own."""

import pytest

from newsletter.settings import Settings, SettingsError, settings
from tests.conftest import Configure


def test_a_lease_shorter_than_a_call_may_take_is_refused_with_both_names(
    configure: Configure,
) -> None:
    configure(lease=29, esp_timeout=10)

    with pytest.raises(SettingsError, match=r"NEWSLETTER_LEASE .* 3 times NEWSLETTER_ESP_TIMEOUT"):
        settings()


def test_a_lease_as_long_as_a_call_may_take_will_do() -> None:
    assert Settings(lease=30, esp_timeout=10).lease == 30

"""Addresses in settings that can lead nowhere are refused at the start, and named without what is in them."""

import pytest

from newsletter.settings import SettingsError, settings
from tests.conftest import Configure


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("database_url", "nonsense-with-a-word"),
        ("database_url", "mysql://user:a-word@host/name"),
        ("redis_url", "a-word.internal"),
        ("redis_url", "http://a-word.internal"),
        ("broker_url", "a-word.internal"),
        ("public_url", "a-word.example.com"),
        ("public_url", "https://"),
        ("traces_url", "a-word:4318"),
        ("sender_address", "a-word"),
        ("reply_to", "Ada <ada@a-word.example>"),
    ],
)
def test_it_is_refused_in_a_sentence_that_names_the_setting(
    name: str, value: str, configure: Configure
) -> None:
    configure(**{name: value})

    with pytest.raises(SettingsError) as refused:
        settings()

    assert str(refused.value).startswith(f"NEWSLETTER_{name.upper()} is no ")
    assert "a-word" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("database_url", "postgresql://user:p#s/?w@host/name"),
        ("database_url", "postgresql+psycopg:///name?host=/run/postgresql"),
        ("database_url", "sqlite:////var/lib/newsletter/newsletter.db"),
        ("redis_url", "rediss://:word@host:6380/1"),
        ("redis_url", "unix:///run/redis.sock"),
        ("broker_url", "amqp://guest@host//"),
        ("broker_url", "filesystem://"),
        ("reply_to", "answers@news.example.com"),
        ("sender_address", "verdicts@xn--bcher-kva.example"),
    ],
)
def test_whatever_a_driver_takes_is_taken(name: str, value: str, configure: Configure) -> None:
    configure(**{name: value})

    assert getattr(settings(), name) == value


def test_both_names_of_postgresql_mean_its_driver(configure: Configure) -> None:
    for scheme in ("postgres", "postgresql", "postgresql+psycopg"):
        configure(database_url=f"{scheme}://user@host/name")
        assert settings().database == "postgresql+psycopg://user@host/name"

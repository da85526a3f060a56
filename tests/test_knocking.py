"""How often a door may be tried: per account, per network, by all processes together."""

from datetime import datetime
from typing import Any

import pytest

from newsletter.clock import utc_now
from newsletter.knocking import Door, TooOften, knock, network_of, welcome
from tests.conftest import Configure
from tests.support.servers import Redis

ADA = "ada@shiporskip.example"


def knocks(times: int, *, account: str = ADA, host: str = "", door: Door = Door.code) -> None:
    for _ in range(times):
        knock(door, account=account, host=host, now=utc_now())


@pytest.fixture(params=["this process", "redis"])
def counted(request: pytest.FixtureRequest, configure: Configure) -> None:
    configure(accounts_tries=3, accounts_network_tries=5, link_secret=request.node.name)
    if request.param == "redis":
        redis: Redis = request.getfixturevalue("redis")
        configure(redis_url=redis.url)


@pytest.mark.usefixtures("counted")
def test_an_account_is_tried_so_often_and_no_more_and_another_is_not_held_up() -> None:
    knocks(3)

    with pytest.raises(TooOften) as refused:
        knocks(1)

    assert 0 < refused.value.wait <= 15 * 60
    assert "try again in" in str(refused.value)
    knocks(1, account="grace@shiporskip.example")
    knocks(1, door=Door.password)


@pytest.mark.usefixtures("counted")
def test_a_network_is_held_up_whichever_accounts_and_addresses_it_tries() -> None:
    for number in range(5):
        knocks(1, account=f"r{number}@shiporskip.example", host=f"203.0.113.{number}")

    with pytest.raises(TooOften):
        knocks(1, account="r9@shiporskip.example", host="203.0.113.99")
    knocks(1, account="r9@shiporskip.example", host="198.51.100.1")


@pytest.mark.usefixtures("counted")
def test_whoever_comes_in_is_no_stranger() -> None:
    knocks(3)

    welcome(Door.code, account=ADA)

    knocks(3)


def test_without_redis_this_process_counts_alone(configure: Configure) -> None:
    configure(accounts_tries=2, redis_url="redis://127.0.0.1:1/0")

    knocks(2)

    with pytest.raises(TooOften):
        knocks(1)


def test_what_is_counted_names_nobody(configure: Configure, redis: Redis) -> None:
    from redis import Redis as Client  # noqa: PLC0415 - only this test looks inside

    configure(redis_url=redis.url, link_secret="a secret of this test")
    client: Any = Client.from_url(redis.url)
    known = client.keys()

    knocks(1, host="203.0.113.7")

    new = b" ".join(name for name in set(client.keys()).difference(known))
    client.close()
    assert new.count(b"code") == 3  # fifteen minutes and a day of the account, and its network
    assert b"ada" not in new
    assert b"203.0" not in new


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("203.0.113.7", "203.0.113.0/24"),
        ("::ffff:203.0.113.7", "203.0.113.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("testclient", "testclient"),
    ],
)
def test_who_has_one_address_of_a_network_has_all_of_them(host: str, network: str) -> None:
    assert network_of(host) == network


def test_the_wait_is_never_longer_than_the_limit_whatever_the_clocks_say(
    configure: Configure, now: datetime
) -> None:
    configure(accounts_tries=1)
    knock(Door.code, account=ADA, now=now)

    with pytest.raises(TooOften) as refused:
        knock(Door.code, account=ADA, now=now.replace(year=2001))

    assert refused.value.wait == 15 * 60

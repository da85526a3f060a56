"""The registry knows every adapter, by the name the adapter gives itself."""

from newsletter.esp.registry import adapters
from tests.esp.providers import MAKES


def test_all_six_providers_are_there_by_name() -> None:
    assert sorted(adapters) == sorted(MAKES)
    assert all(type(MAKES[name]()) is adapter for name, adapter in adapters.items())
    assert all(adapter.name == name for name, adapter in adapters.items())

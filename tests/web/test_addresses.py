"""The page of addresses is what the routes say."""

from tests.support import addresses
from tests.support.processes import ROOT


def test_the_page_of_addresses_is_what_the_routes_say_and_says_something_of_each() -> None:
    written = (ROOT / "docs" / "addresses.md").read_text()

    assert written == addresses.as_markdown(), (
        "run: python -m tests.support.addresses > docs/addresses.md"
    )
    for line in written.splitlines():
        if line.startswith("| `"):
            assert len(line.split("|")[2].split()) > 2, line

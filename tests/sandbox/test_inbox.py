"""The inbox shows each mail as its reader gets it, safely, and reports what a person asks it to."""

import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from starlette.testclient import TestClient

from newsletter.sandbox.config import Keys
from newsletter.sandbox.preview import framed
from tests.sandbox.calls import a_mail, a_person
from tests.sandbox.conftest import Hook, Sandboxes, WaitUntil
from tests.support.soundness import is_sound

if TYPE_CHECKING:
    from playwright.sync_api import Browser

Send = Callable[..., Any]


@pytest.fixture
def leaving() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """A List-Unsubscribe address, and the posts it got."""
    got: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            got.append((self.headers["content-type"], body))
            self.send_response(302 if "redirect" in self.path else 200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Tests print enough."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}/leave", got
        listening.shutdown()
        thread.join()


def a_leaver(url: str, **changes: str) -> dict[str, Any]:
    headers = {
        "List-Unsubscribe": f"<mailto:leave@example.com>, <{url}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    return a_person(headers={**headers, **changes})


def test_an_empty_inbox_says_what_to_do(client: TestClient) -> None:
    page = client.get("/")

    assert page.status_code == 200
    assert "No mail yet" in page.text
    assert "http://127.0.0.1:8025" in page.text


def test_mail_is_listed_newest_first_searched_and_grouped_by_subject(
    client: TestClient, sendgrid: Send
) -> None:
    sendgrid(a_mail(a_person(1), a_person(2), subject="Week one"))
    sendgrid(a_mail(a_person(3), subject="Week two"))

    listed = re.findall(r'class="who">([^<]+)<', client.get("/").text)
    searched = re.findall(r'class="who">([^<]+)<', client.get("/", params={"q": "READER2"}).text)
    grouped = client.get("/", params={"subject": "Week one"}).text

    assert listed == [f"reader{i}@example.com" for i in (3, 2, 1)]
    assert searched == ["reader2@example.com"]
    assert "2 messages" in grouped
    assert client.get("/", params={"q": "%"}).text.count('class="who"') == 0


def test_a_long_inbox_comes_in_pages(client: TestClient, sendgrid: Send) -> None:
    sendgrid(a_mail(*map(a_person, range(120))))

    seen: list[str] = []
    url = "/"
    for _ in range(3):
        page = client.get(url).text
        seen += re.findall(r'class="who">([^<]+)<', page)
        older = re.search(r'rel="next" href="([^"]+)"', page)
        url = older[1].replace("&amp;", "&") if older else ""

    assert len(set(seen)) == len(seen) == 120
    assert url == ""


@pytest.mark.parametrize("tab", ["html", "text", "headers", "source", "events"])
def test_every_view_of_a_message_opens(client: TestClient, sendgrid: Send, tab: str) -> None:
    sendgrid(a_mail(a_person(1)))

    page = client.get("/inbox/1", params={"tab": tab})

    assert page.status_code == 200
    assert "The week of Reader 1" in page.text


def test_what_a_mail_contains_cannot_run_in_the_inbox(client: TestClient, sendgrid: Send) -> None:
    evil = "<script>alert(1)</script>"
    sendgrid(a_mail(a_person(1), subject=evil, content=[{"type": "text/html", "value": evil}]))

    page = client.get("/inbox/1")
    body = client.get("/inbox/1/body")

    assert evil not in page.text
    assert evil not in client.get("/").text
    policy = body.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "sandbox allow-popups allow-popups-to-escape-sandbox" in policy
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in page.text
    assert "script-src 'self'" in page.headers["content-security-policy"]


def test_images_can_be_kept_out(client: TestClient, sendgrid: Send) -> None:
    sendgrid(a_mail())

    shown = client.get("/inbox/1/body").headers["content-security-policy"]
    hidden = client.get("/inbox/1/body?images=off").headers["content-security-policy"]

    assert "img-src http: https: data:;" in shown
    assert "img-src data:;" in hidden


def test_the_frame_follows_the_chosen_colours_and_opens_links_elsewhere() -> None:
    mail = (
        "<html><head><style>@media (prefers-color-scheme: dark){a{color:red}}"
        "@media screen and ( prefers-color-scheme:light ){a{color:blue}}</style></head></html>"
    )

    dark, light = framed(mail, "dark"), framed(mail, "light")

    assert "@media (min-width:0){a{color:red}}" in dark
    assert "screen and (max-width:0){a{color:blue}}" in dark
    assert "@media (max-width:0){a{color:red}}" in light
    assert '<head><base target="_blank">' in dark
    assert framed("<p>bare</p>", "light").startswith('<base target="_blank">')


def test_a_message_that_is_gone_is_not_an_error_page_for_machines(client: TestClient) -> None:
    assert client.get("/inbox/7").status_code == 404
    assert "not here" in client.get("/inbox/7").text
    assert client.get("/sandbox/messages/7.json").json()["detail"].startswith("The sandbox holds")


def test_the_unsubscribe_button_posts_once_as_a_mail_client_does(
    client: TestClient, sendgrid: Send, leaving: tuple[str, list[tuple[str, bytes]]]
) -> None:
    url, got = leaving
    sendgrid(a_mail(a_leaver(url)))

    page = client.post("/inbox/1/unsubscribe")

    assert "Unsubscribed by one click." in page.text
    assert got == [("application/x-www-form-urlencoded", b"List-Unsubscribe=One-Click")]


@pytest.mark.parametrize(
    ("ending", "headers", "said"),
    [
        ("/redirect", {}, "redirect"),
        ("", {"List-Unsubscribe-Post": "yes"}, "offers no one-click"),
        ("", {"List-Unsubscribe": "<mailto:leave@example.com>"}, "offers no one-click"),
        ("", {"List-Unsubscribe": "<http://example.com/leave>"}, "offers no one-click"),
        ("", {"List-Unsubscribe": "<http://127.0.0.1:1/leave>"}, "did not answer"),
    ],
)
def test_an_unsubscribe_that_breaks_the_rules_fails_with_the_reason(  # noqa: PLR0917 - three of them are the table
    client: TestClient,
    sendgrid: Send,
    leaving: tuple[str, list[tuple[str, bytes]]],
    ending: str,
    headers: dict[str, str],
    said: str,
) -> None:
    sendgrid(a_mail(a_leaver(leaving[0] + ending, **headers)))

    answer = client.post("/sandbox/messages/1/unsubscribe").json()

    assert answer["left"] is False
    assert said in answer["said"]


def test_another_site_may_not_write_and_a_strangers_name_is_not_ours(client: TestClient) -> None:
    foreign = client.post("/empty", headers={"origin": "https://evil.example"})
    framed_in = client.post("/empty", headers={"sec-fetch-site": "cross-site"})
    rebound = client.get("/", headers={"host": "evil.example"})

    assert foreign.status_code == framed_in.status_code == 403
    assert rebound.status_code == 403


def test_an_operator_orders_and_calls_off_a_bad_day_in_the_page(client: TestClient) -> None:
    page = client.post("/faults/rules", data={"kind": "too_many", "percent": "25", "every": ""})
    wrong = client.post("/faults/rules", data={"kind": "slow", "percent": "many"})

    assert "Ordered: answer 429, too many requests." in page.text
    assert client.get("/sandbox/faults").json()["rules"][0]["rate"] == 0.25
    assert wrong.status_code == 422
    assert 'role="alert"' in wrong.text
    assert 'value="many"' in wrong.text

    client.post("/faults/rules", data={"kind": "error", "calls": "4, 5", "on": "search"})
    wrong = client.post("/faults/rules", data={"kind": "error", "calls": "the fourth"})
    assert (wrong.status_code, 'value="the fourth"' in wrong.text) == (422, True)
    ordered = client.get("/sandbox/faults").json()["rules"][1]
    assert (ordered["calls"], ordered["on"]) == ([4, 5], "search")

    client.post("/faults/day", data={"which": "rough"})
    assert len(client.get("/sandbox/faults").json()["rules"]) > 5
    client.post("/faults/rules/0/removal")
    client.post("/faults/day", data={"which": "quiet"})
    assert client.get("/sandbox/faults").json()["rules"] == []


def test_webhooks_are_made_unruly_in_the_page(client: TestClient) -> None:
    client.post("/faults/webhooks", data={"twice": "10", "late": "5", "late_seconds": "9"})

    webhooks = client.get("/sandbox/faults").json()["webhooks"]

    assert (webhooks["twice"], webhooks["late"], webhooks["late_seconds"]) == (0.1, 0.05, 9)


def test_machines_page_through_the_mailbox_and_find_doubles(
    client: TestClient, sendgrid: Send
) -> None:
    sendgrid(a_mail(*map(a_person, range(5))))
    sendgrid(a_mail(a_person(3), a_person(9)))

    first = client.get("/sandbox/mailbox.json", params={"after": 0, "limit": 4}).json()
    second = client.get("/sandbox/mailbox.json", params={"after": first["next"]}).json()
    doubles = client.get("/sandbox/duplicates.json").json()["duplicates"]
    lines = client.get("/sandbox/recipients.ndjson").text.splitlines()
    counts = client.get("/sandbox/counts.json").json()

    assert [m["id"] for m in (*first["messages"], *second["messages"])] == [1, 2, 3, 4, 5, 6, 7]
    assert [(d["ref"], d["times"], d["messages"]) for d in doubles] == [("d-3", 2, [4, 6])]
    assert len(lines) == 7
    assert (counts["messages"], counts["recipients"], counts["duplicates"]) == (7, 6, 1)
    assert client.get("/sandbox/mailbox.json", params={"unknown": 1}).status_code == 422


def test_emptying_starts_over(client: TestClient, sendgrid: Send) -> None:
    sendgrid(a_mail())

    client.post("/sandbox/reset")
    sendgrid(a_mail())

    assert client.get("/sandbox/counts.json").json()["messages"] == 1
    assert client.get("/sandbox/mailbox.json").json()["messages"][0]["call"] == 1


@pytest.mark.browser
def test_a_reader_reads_clicks_and_leaves_with_the_keyboard_alone(  # noqa: PLR0917 - it meets everybody
    running: Sandboxes,
    hook: Hook,
    keys: Keys,
    browser: "Browser",
    leaving: tuple[str, list[tuple[str, bytes]]],
    wait_until: WaitUntil,
) -> None:
    http = running(webhook_url=hook.url)
    _post(http, keys, a_leaver(leaving[0]))
    page = browser.new_page(base_url=str(http.base_url))

    page.goto("/")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/inbox/1")
    page.get_by_role("button", name="Unsubscribe").focus()
    page.keyboard.press("Enter")

    page.get_by_text("Unsubscribed by one click.").wait_for()
    assert leaving[1] == [("application/x-www-form-urlencoded", b"List-Unsubscribe=One-Click")]
    link = page.frame_locator("iframe").get_by_role("link", name="Leave")
    assert link.get_attribute("href") == "http://127.0.0.1:8000/leave/-token-".replace(
        "-token-", "t1"
    )
    page.select_option("#kind", "complained")
    page.get_by_role("button", name="Report").click()
    page.get_by_text("Reported complained").wait_for()
    wait_until(lambda: "spamreport" in {event["event"] for event in hook.events()})
    page.close()


@pytest.mark.browser
def test_no_page_of_the_inbox_shuts_anybody_out(
    running: Sandboxes, hook: Hook, keys: Keys, browser: "Browser"
) -> None:
    http = running(webhook_url=hook.url)
    _post(http, keys, a_person(1), a_person(2, to=[{"email": "bounce+2@example.com"}]))
    http.post("/faults/day", data={"which": "rough"})
    context = browser.new_context(base_url=str(http.base_url))
    page = context.new_page()

    for path in (
        *("/", "/?q=nobody", "/inbox/1", "/inbox/1?tab=text", "/inbox/1?tab=headers"),
        *("/inbox/1?tab=source", "/inbox/1?tab=events", "/faults", "/inbox/99"),
    ):
        page.goto(path)
        is_sound(page)
    context.close()


def _post(http: httpx.Client, keys: Keys, *people: dict[str, Any]) -> None:
    mine = {"authorization": f"Bearer {keys.sendgrid_api_key}"}
    http.post("/v3/mail/send", json=a_mail(*people), headers=mine).raise_for_status()

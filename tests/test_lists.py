"""Lists from elsewhere: read line by line, taken in at once, and nobody comes back by them."""

import csv
import io
import json
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import Session, col, func, select
from typer.testing import CliRunner

from newsletter.cli import app
from newsletter.database import reading, unit_of_work
from newsletter.readers import importing
from newsletter.readers.importing import ListImport
from newsletter.settings import settings
from subscribers.addresses import (
    AddressKeys,
    BadAddress,
    _by_the_book,
    address_key,
    normal_form,
)
from subscribers.importing import bulk
from subscribers.importing.bulk import Fate, Terms
from subscribers.importing.candidates import Judge
from subscribers.importing.columns import There, columns_of
from subscribers.importing.moments import moment
from subscribers.importing.records import FileRefused, Record, Refused, manner_of, records
from subscribers.models import Consent, Subscriber, SubscriberStatus, Suppression
from subscribers.subscription import add_confirmed, find, leave
from tests.support.processes import ROOT, surroundings

on_both = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
TERMS = Terms(page="the old newsletter", wording="Get the weekly verdicts")
Rows = list[Record | Refused]

#: The headings with which the usual services export their lists.
HEADINGS: Final = {
    "Mailchimp": "Email Address,First Name,Last Name,MEMBER_RATING,OPTIN_TIME",
    "Mailchimp, unsubscribed": "Email Address,First Name,OPTIN_TIME,UNSUB_TIME,UNSUB_REASON",
    "Mailchimp, cleaned": "Email Address,First Name,OPTIN_TIME,CLEAN_TIME",
    "Substack": "email,active_subscription,expiry,plan,email_disabled,created_at",
    "Buttondown": "email,notes,metadata,tags,type,creation_date",
    "listmonk": "uuid,email,name,attributes,status,created_at,updated_at",
    "Ghost": "id,email,name,note,subscribed_to_emails,complimentary_plan,created_at",
}
EXPORTS: Final = [
    ("Mailchimp", "a@x.example,A,B,2,2020-01-02 03:04:05", There.wanted),
    ("Mailchimp, unsubscribed", "a@x.example,A,,2021-01-02 03:04:05,", There.left),
    ("Mailchimp, cleaned", "a@x.example,A,,2021-01-02 03:04:05", There.bounced),
    ("Substack", "a@x.example,false,,,false,2020-01-02T03:04:05.000Z", There.wanted),
    ("Substack", "a@x.example,true,,,true,2020-01-02T03:04:05.000Z", There.left),
    ("Buttondown", "a@x.example,,,,regular,2020-01-02", There.wanted),
    ("Buttondown", "a@x.example,,,,unactivated,2020-01-02", There.unconfirmed),
    ("Buttondown", "a@x.example,,,,undeliverable,2020-01-02", There.bounced),
    ("listmonk", "u,a@x.example,A,{},enabled,2020-01-02,", There.wanted),
    ("listmonk", "u,a@x.example,A,{},blocklisted,2020-01-02,", There.left),
    ("Ghost", "1,a@x.example,A,,true,,2020-01-02", There.wanted),
    ("Ghost", "1,a@x.example,A,,false,,2020-01-02", There.left),
]


def rows_of(data: bytes, *, encoding: str | None = None) -> Rows:
    source = io.BytesIO(data)
    return list(records(source, manner_of(source, encoding=encoding)))


def fields(rows: Rows) -> list[list[str]]:
    return [row.fields for row in rows if isinstance(row, Record)]


def refusals(rows: Rows) -> dict[int, str]:
    return {row.line: row.reason for row in rows if isinstance(row, Refused)}


def secret() -> str:
    return settings().suppression_secret.get_secret_value()


def taken(data: bytes, *, now: datetime, name: str = "list.csv") -> Counter[Fate]:
    sheet = importing.look_at(io.BytesIO(data), name)
    return importing.take_in(sheet, TERMS, refused=io.BytesIO(), by="Ada", now=now).counts


class TestReading:
    @pytest.mark.parametrize(
        "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "windows-1252"]
    )
    @pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
    def test_encodings_and_delimiters_are_recognised(self, encoding: str, delimiter: str) -> None:
        lines = [["email", "name"], ["zoe@readers.example", "Zoë Müller"]]
        data = "\r\n".join(delimiter.join(line) for line in lines).encode(encoding)

        assert fields(rows_of(data)) == lines

    def test_a_few_broken_bytes_make_no_other_encoding(self) -> None:
        data = (
            "email,name\na@x.example,Zoë\nb@x.example,Ren".encode()
            + b"\xe9\nc@x.example,\xc3\xa9\n"
        )

        rows = rows_of(data)

        assert refusals(rows) == {3: "It holds bytes that are no text in the file's encoding."}
        assert fields(rows)[-1] == ["c@x.example", "é"]

    def test_a_quoted_cell_may_hold_anything(self) -> None:
        data = b'email,notes\na@x.example,"one, ""two""\nthree"\nb@x.example,plain\n'

        rows = rows_of(data)

        assert fields(rows)[1:] == [["a@x.example", 'one, "two"\nthree'], ["b@x.example", "plain"]]
        assert [row.line for row in rows] == [1, 2, 4]

    def test_a_mark_that_nobody_closes_costs_its_own_line_alone(self) -> None:
        data = b'email\n"a@x.example\n' + b"".join(b"b%d@x.example\n" % n for n in range(100))

        rows = rows_of(data)

        assert refusals(rows) == {2: "A quotation mark is opened and never closed."}
        assert len(fields(rows)) == 101

    def test_a_million_characters_cost_their_own_line_alone(self) -> None:
        data = b"email\n" + b"x" * 1_000_000 + b"\na@x.example\n"

        rows = rows_of(data)

        assert refusals(rows) == {2: "It is longer than 20,000 characters."}
        assert fields(rows)[-1] == ["a@x.example"]

    def test_half_a_letter_of_utf_16_costs_its_own_line_alone(self) -> None:
        data = (
            "email\na@x.example\n".encode("utf-16")
            + b"\x00\xd8"
            + "\nb@x.example\n".encode("utf-16-le")
        )

        rows = rows_of(data)

        assert fields(rows)[-1] == ["b@x.example"]
        assert list(refusals(rows)) == [3]

    def test_a_nul_costs_its_own_line_alone(self) -> None:
        rows = rows_of(b"email\na\0@x.example\nb@x.example\n")

        assert refusals(rows) == {2: "It holds a NUL, which no text does."}
        assert fields(rows)[-1] == ["b@x.example"]

    @pytest.mark.parametrize("data", [b"", b"\n\n\n", b"\xef\xbb\xbf", b"\0\0\0\0"])
    def test_a_file_of_nothing_is_refused_whole(self, data: bytes) -> None:
        with pytest.raises(FileRefused, match="nothing in the file"):
            rows_of(data)

    def test_an_encoding_that_there_is_not_is_refused(self) -> None:
        with pytest.raises(FileRefused, match="utf-8, utf-16"):
            rows_of(b"email", encoding="klingon")

    @given(st.binary(max_size=600))
    def test_no_bytes_whatever_are_more_than_refused(self, data: bytes) -> None:
        try:
            rows = rows_of(data)
        except FileRefused:
            return

        assert [row.line for row in rows] == sorted({row.line for row in rows})
        for row in rows:
            if isinstance(row, Record):
                assert not any("\0" in cell for cell in row.fields)

    @given(
        st.lists(
            st.lists(
                st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20),
                min_size=2,
                max_size=4,
            ),
            min_size=1,
            max_size=8,
        )
    )
    def test_whatever_a_spreadsheet_writes_comes_back(self, table: list[list[str]]) -> None:
        table = [["email", "name"], *table]
        sheet = io.StringIO(newline="")
        csv.writer(sheet, quoting=csv.QUOTE_ALL).writerows(table)

        assert fields(rows_of(sheet.getvalue().encode())) == table


class TestColumns:
    @pytest.mark.parametrize(("origin", "row", "there"), EXPORTS)
    @pytest.mark.usefixtures("home")
    def test_lists_of_the_usual_services_are_recognised(
        self, origin: str, row: str, there: There, now: datetime
    ) -> None:
        columns = columns_of(HEADINGS[origin].split(","), {})

        found = Judge(columns, AddressKeys("x"), now).read(Record(2, row.split(",")))

        assert columns.origin == origin.partition(",")[0]
        assert not isinstance(found, Refused)
        assert (found.address, found.there) == ("a@x.example", there)

    def test_a_row_with_a_cell_too_many_or_too_few_is_refused(self, now: datetime) -> None:
        """Its status would be read from another cell, and who left would be mailed."""
        judge = Judge(columns_of(["name", "email", "status"], {}), AddressKeys("x"), now)

        for fields in (["Ada", "a@x.example", "", "unsubscribed"], ["Ada", "a@x.example"]):
            assert isinstance(judge.read(Record(2, fields)), Refused)
        assert not isinstance(judge.read(Record(2, ["A", "a@x.example", "active", ""])), Refused)

    def test_mailchimps_contacts_who_never_subscribed_are_not_taken(self, now: datetime) -> None:
        heading = HEADINGS["Mailchimp"].split(",")
        columns = columns_of(heading, {}, name="nonsubscribed_members_export_1.csv")

        found = Judge(columns, AddressKeys("x"), now).read(
            Record(2, ["a@x.example", "A", "B", "2", ""])
        )

        assert not isinstance(found, Refused)
        assert found.there is There.unconfirmed

    def test_a_file_without_headings_is_read_by_its_addresses(self) -> None:
        columns = columns_of(["Ada", "ada@x.example"], {})

        assert (columns.places, columns.has_heading) == ({"address": 1}, False)

    def test_an_operator_says_what_a_column_is_by_name_or_number(self) -> None:
        columns = columns_of(["Kontakt", "Wer"], {"address": "kontakt", "name": "2"})

        assert columns.places == {"address": 0, "name": 1}

    @pytest.mark.parametrize(
        ("heading", "said", "why"),
        [
            (["a", "b"], {}, "No column is recognised as the address"),
            (["email", "name", "email"], {}, "More than one column is called 'email'"),
            (["email"], {"shoe size": "email"}, "nothing that a column can mean"),
            (["email"], {"name": "surname"}, "no column 'surname'"),
            (["email"], {"name": "7"}, "no column '7'"),
        ],
    )
    def test_what_cannot_be_told_is_asked(
        self, heading: list[str], said: dict[str, str], why: str
    ) -> None:
        with pytest.raises(FileRefused, match=why):
            columns_of(heading, said)

    @given(
        st.lists(st.text(max_size=12), min_size=1, max_size=6),
        st.lists(st.text(max_size=12), min_size=1, max_size=6),
    )
    def test_any_heading_and_row_are_read_or_refused(
        self, heading: list[str], row: list[str]
    ) -> None:
        try:
            columns = columns_of(heading, {})
        except FileRefused:
            return
        Judge(columns, AddressKeys("x"), datetime(2026, 1, 1, tzinfo=UTC)).read(Record(2, row))


class TestAddresses:
    PARTS = st.text("aZ09.-_+'!é@\" x", min_size=1, max_size=12)

    @given(
        st.one_of(
            st.emails(),
            st.text(max_size=40),
            st.tuples(
                PARTS,
                PARTS,
                st.sampled_from(["com", "Example", "test", "xn--p1ai", "c", "c0m", "local", "de"]),
            ).map(lambda parts: f"{parts[0]}@{parts[1]}.{parts[2]}"),
        )
    )
    def test_the_quick_reading_agrees_with_the_library(self, address: str) -> None:
        def read(how: Any) -> str | None:
            try:
                return str(how(address))
            except BadAddress:
                return None

        assert read(normal_form) == read(_by_the_book)


@on_both
@pytest.mark.usefixtures("database", "home")
class TestTakingIn:
    def test_everybody_new_comes_with_a_record_of_what_they_agreed_to(self, now: datetime) -> None:
        data = (
            b"email,first name,last name,timezone,created_at\n"
            b"Ada@X.example,Ada,Lovelace,Europe/Berlin,2020-01-02\nb@x.example,,,Mars/Base,\n"
        )

        assert taken(data, now=now) == {Fate.added: 2}

        with reading() as session:
            ada = find(session, "ada@x.example", secret=secret())
            assert ada is not None
            assert (ada.address, ada.name, ada.zone) == (
                "Ada@X.example",
                "Ada Lovelace",
                "Europe/Berlin",
            )
            assert (ada.status, ada.source) == (SubscriberStatus.active, TERMS.page)
            assert ada.joined_at == datetime(2020, 1, 2, tzinfo=UTC)
            [record] = session.exec(
                select(Consent).where(col(Consent.subscriber_id) == ada.id)
            ).all()
            assert (record.kind, record.page, record.wording) == (
                "imported",
                TERMS.page,
                TERMS.wording,
            )

    def test_nobody_comes_back_by_it(self, now: datetime) -> None:
        with unit_of_work() as session:
            for name in ("active", "gone"):
                add_confirmed(
                    session, f"{name}@x.example", page="", wording="", secret=secret(), now=now
                )
            gone = find(session, "gone@x.example", secret=secret())
            assert gone is not None
            leave(session, gone.id or 0, how="link", digest_id=None, now=now)
            session.add(
                Suppression(
                    address_key=address_key("erased@x.example", secret=secret()),
                    reason="erased",
                    since=now,
                )
            )
        data = (
            b"email\nACTIVE@x.example\ngone@x.example\nerased@x.example\n"
            b"new@x.example\nNew@X.example\nno address\n"
        )

        counts = taken(data, now=now)

        assert counts == {
            Fate.known: 1,
            Fate.stays_away: 1,
            Fate.suppressed: 1,
            Fate.added: 1,
            Fate.repeated: 1,
            Fate.refused: 1,
        }
        with reading() as session:
            gone = find(session, "gone@x.example", secret=secret())
            assert gone is not None
            assert gone.status is SubscriberStatus.unsubscribed
            assert find(session, "erased@x.example", secret=secret()) is None

    def test_who_left_there_is_noted_and_not_mailed(self, now: datetime) -> None:
        data = (
            b"uuid,email,name,attributes,status\n"
            b"1,a@x.example,,{},blocklisted\n2,b@x.example,,{},enabled\n"
        )
        sheet = importing.look_at(io.BytesIO(data), "list.csv")
        terms = Terms(page="p", wording="w", origin=sheet.columns.origin)

        done = importing.take_in(sheet, terms, refused=io.BytesIO(), by="Ada", now=now)

        assert done.counts == {Fate.left_there: 1, Fate.added: 1}
        with reading() as session:
            left = find(session, "a@x.example", secret=secret())
            assert left is not None
            assert (left.status, left.left_how) == (
                SubscriberStatus.unsubscribed,
                "left at listmonk",
            )

    def test_a_rehearsal_says_the_same_and_keeps_nothing(self, now: datetime) -> None:
        data = b"email\na@x.example\nb@x.example\na@x.example\nx\n"
        sheet = importing.look_at(io.BytesIO(data), "list.csv")

        said = importing.rehearse(sheet, refused=io.BytesIO(), now=now).counts

        with reading() as session:
            assert session.exec(select(func.count()).select_from(Subscriber)).one() == 0
            assert session.exec(select(func.count()).select_from(ListImport)).one() == 0
        assert said == taken(data, now=now)

    def test_wherever_it_stops_it_goes_on_and_nobody_comes_twice(
        self, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(importing, "BATCH", 3)
        data = b"email\n" + b"".join(b"r%d@x.example\n%d\n" % (n, n) for n in range(10))
        whole_file = io.BytesIO()
        lines = io.BytesIO()
        take, calls = bulk.take, 0

        def dies(session: Session, batch: Any, terms: Terms, *, now: datetime) -> Counter[Fate]:
            nonlocal calls
            calls += 1
            if calls % 2 == 0:
                raise KeyboardInterrupt
            return take(session, batch, terms, now=now)

        monkeypatch.setattr(bulk, "take", dies)
        for _ in range(20):
            sheet = importing.look_at(io.BytesIO(data), "list.csv")
            try:
                done = importing.take_in(sheet, TERMS, refused=lines, by="Ada", now=now)
                break
            except KeyboardInterrupt:
                continue
        monkeypatch.setattr(bulk, "take", take)

        assert done.from_line > 1
        assert done.counts == {Fate.added: 10, Fate.refused: 10}
        sheet = importing.look_at(io.BytesIO(data), "list.csv")
        importing.rehearse(sheet, refused=whole_file, now=now)
        assert lines.getvalue() == whole_file.getvalue()
        with reading() as session:
            assert session.exec(select(func.count()).select_from(Consent)).one() == 10

    def test_the_refused_lines_are_a_file_that_no_spreadsheet_computes(self, now: datetime) -> None:
        lines = io.BytesIO()
        sheet = importing.look_at(io.BytesIO(b'email,name\n=cmd|x,evil\n"a,b\n'), "list.csv")

        importing.take_in(sheet, TERMS, refused=lines, by="Ada", now=now)

        assert list(csv.reader(io.StringIO(lines.getvalue().decode())))[1:] == [
            [
                "2",
                "That is not an email address: it needs a name, one @ and a domain.",
                "'=cmd|x, evil",
            ],
            ["3", "A quotation mark is opened and never closed.", '"a,b'],
        ]


@pytest.mark.usefixtures("home")
class TestTheCommand:
    def test_it_looks_first_then_takes_in_and_keeps_what_it_refused(self, tmp_path: Path) -> None:
        file = tmp_path / "list.csv"
        file.write_bytes(b"Email;Name\na@x.example;A\nb@x.example;B\nnobody;C\n")
        words = ["subscribers", "import", str(file), "--json"]

        looked = CliRunner().invoke(app, [*words, "--dry-run"])
        assert not (tmp_path / "list.csv.refused.csv").exists()
        took = CliRunner().invoke(app, [*words, "--consent", "Weekly verdicts", "--by", "Ada"])

        assert looked.exit_code == took.exit_code == 1  # a line was refused
        said = json.loads(looked.stdout)
        assert (said["dry_run"], said["added"], said["refused"]) == (True, 2, 1)
        assert said["columns"] == {"address": "Email", "name": "Name"}
        assert json.loads(took.stdout)["added"] == 2
        assert '4,"That is not an email address' in (tmp_path / "list.csv.refused.csv").read_text()
        again = CliRunner().invoke(app, [*words, "--consent", "Weekly verdicts"])
        assert json.loads(again.stdout)["known"] == 2

    def test_without_a_word_about_consent_nobody_is_taken_in(self, tmp_path: Path) -> None:
        (tmp_path / "list.csv").write_bytes(b"email\na@x.example\n")

        said = CliRunner().invoke(app, ["subscribers", "import", str(tmp_path / "list.csv")])

        assert isinstance(said.exception, FileRefused)
        assert "--consent" in str(said.exception)

    def test_refused_lines_never_go_over_another_file(self, tmp_path: Path) -> None:
        file = tmp_path / "list.csv"
        file.write_bytes(b"email\na@x.example\nnobody\n")

        for words in (["--dry-run"], ["--consent", "Weekly"]):
            said = CliRunner().invoke(
                app, ["subscribers", "import", str(file), "--refused", str(file), *words]
            )
            assert isinstance(said.exception, FileRefused)
        assert file.read_bytes() == b"email\na@x.example\nnobody\n"

    def test_a_heading_that_cannot_be_read_is_asked_about(self, tmp_path: Path) -> None:
        file = tmp_path / "list.csv"
        file.write_bytes(b'"a"b,"email"\nx,a@x.example\n')

        said = CliRunner().invoke(app, ["subscribers", "import", str(file), "--dry-run"])

        assert isinstance(said.exception, FileRefused)
        assert "first line" in str(said.exception)

    @pytest.mark.parametrize(("name", "why"), [("missing.csv", "cannot be read")])
    def test_a_file_that_cannot_be_read_is_refused_in_a_sentence(
        self, tmp_path: Path, name: str, why: str
    ) -> None:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "newsletter",
                "subscribers",
                "import",
                str(tmp_path / name),
                "--dry-run",
            ],
            cwd=ROOT,
            env=surroundings({"NEWSLETTER_HOME": str(tmp_path / "var")}),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert why in done.stderr


@pytest.mark.parametrize(
    "said",
    [
        "2024-05-06", "20240506", "2024-05-06T07:08:09Z", "2024-05-06 07:08:09", "2024-05-06 07:08:09 UTC",
        "2024-05-06 09:08:09 +0200", "2024/05/06 07:08", "06.05.2024", "6.5.2024 07:08", "6 May 2024",
        "May 6, 2024", "May 06, 2024 07:08 AM", "Mon, 06 May 2024 07:08:09 +0000",
        "1714979289", "1714979289000",
    ],
)  # fmt: skip
def test_a_day_that_can_be_meant_in_one_way_only_is_read(said: str, now: datetime) -> None:
    assert moment(said, now).isoformat()[:10] == "2024-05-06"


@pytest.mark.parametrize("said", ["", "5/6/2024", "soon", "2999-01-01", "9" * 400, "\0"])
def test_a_day_that_is_none_or_not_yet_or_two_is_the_day_of_the_import(
    said: str, now: datetime
) -> None:
    assert moment(said, now) == now


@given(st.text(max_size=40))
def test_whatever_stands_for_a_day_a_moment_up_to_now_comes_of_it(said: str) -> None:
    now = datetime(2026, 11, 23, tzinfo=UTC)

    assert moment(said, now) <= now

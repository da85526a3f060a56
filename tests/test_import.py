"""`newsletter import` and `newsletter comparisons`: all in, or refused by name and line."""

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from sqlmodel import Session, col, func, select
from typer.testing import CliRunner

from digests.reading.exchange import LARGEST_COMPARISON, json_line, read_json
from digests.reading.pages import read_page
from digests.reading.sources import LARGEST_PAGE
from digests.store.comparisons import Comparison, Review, Revision, Tool
from newsletter.cli import app, comparisons
from newsletter.database import reading, unit_of_work
from tests.support.editions import readers

EXAMPLES: Final = Path(__file__).parent.parent / "newsletter" / "examples"
PAGES: Final = {path.stem: path.read_text() for path in sorted(EXAMPLES.glob("*.txt"))}
PAGE: Final = PAGES["smolvlm2-vs-mistral-3-small"]
LINE: Final = json_line(read_page(PAGE))

pytestmark = pytest.mark.usefixtures("home")


@dataclass(frozen=True)
class Said:
    """What a command printed, and how it ended."""

    out: str
    err: str
    status: int

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def newsletter(*words: str | Path, given: bytes = b"") -> Said:
    result = CliRunner().invoke(app, [str(word) for word in words], input=given)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return Said(result.stdout, result.stderr, result.exit_code)


def rows() -> list[int]:
    with reading() as session:
        return [
            session.exec(select(func.count(col(table.id)))).one()
            for table in (Tool, Review, Comparison, Revision)
        ]


def test_a_folder_of_pages_goes_in() -> None:
    said = newsletter("import", EXAMPLES)

    assert said.status == 0
    assert said.out.splitlines()[-1] == "3 new, 0 revised, 0 unchanged, 0 refused"
    assert rows() == [5, 20, 3, 3]


def test_the_same_folder_again_changes_nothing() -> None:
    newsletter("import", EXAMPLES)

    said = newsletter("import", EXAMPLES)

    assert (said.status, said.out) == (0, "0 new, 0 revised, 3 unchanged, 0 refused\n")
    assert rows() == [5, 20, 3, 3]


def test_what_the_store_prints_comes_in_as_it_was(tmp_path: Path) -> None:
    newsletter("import", EXAMPLES)
    printed = newsletter("comparisons", "--json")
    (tmp_path / "all.jsonl").write_text(printed.out)

    said = newsletter("import", tmp_path / "all.jsonl")

    assert said.out == "0 new, 0 revised, 3 unchanged, 0 refused\n"
    assert newsletter("comparisons", "--json").out == printed.out


def test_standard_input_takes_a_page_or_json_lines() -> None:
    page = newsletter("import", "-", given=PAGE.encode())
    lines = newsletter("import", "-", given=f"\n{LINE}\n\n".encode())

    assert page.out.splitlines()[-1] == "1 new, 0 revised, 0 unchanged, 0 refused"
    assert lines.out == "0 new, 0 revised, 1 unchanged, 0 refused\n"


def test_one_page_that_cannot_be_read_does_not_keep_the_others_out(tmp_path: Path) -> None:
    pages = tmp_path / "pages"
    pages.mkdir()
    for name, page in PAGES.items():
        (pages / f"{name}.txt").write_text(page)
    bad = pages / "smolvlm2-vs-mistral-3-small.txt"
    bad.write_text(PAGE.replace("82/100", "820/100", 1))

    said = newsletter("import", pages)

    assert said.status == 1
    assert said.out.splitlines()[-1] == "2 new, 0 revised, 0 unchanged, 1 refused"
    assert said.err == (
        f"newsletter: {bad}, line 84: expected a score from 0 to 100, "
        "found \u201c820/100 \u00b7 ship\u201d\n"
    )
    assert rows() == [3, 12, 2, 2]


def test_each_json_line_is_refused_by_its_number(tmp_path: Path) -> None:
    path = tmp_path / "some.jsonl"
    path.write_text(f'{{"slug": "x"}}\n{LINE}\n{LINE[:-1]}\n[]\n')

    said = newsletter("import", path)

    assert said.status == 1
    assert said.out.splitlines()[-1] == "1 new, 0 revised, 0 unchanged, 3 refused"
    places = [line.split(": ")[1] for line in said.err.splitlines()]
    assert places == [f"{path}, line {number}" for number in (1, 3, 4)]
    assert "title is missing (and 1 more)" in said.err


def test_a_program_gets_one_json_document() -> None:
    said = newsletter("import", EXAMPLES, "nowhere.txt", "--json")

    assert said.status == 1
    assert {name: said.json[name] for name in ("dry_run", "new", "refused")} == {
        "dry_run": False,
        "new": 3,
        "refused": 1,
    }
    assert said.json["pages"][0] == {
        "source": str(EXAMPLES / "smolvlm2-2b-vs-mistral-8b-instruct-v3.txt"),
        "line": None,
        "slug": "smolvlm2-2b-vs-mistral-8b-instruct-v3",
        "outcome": "new",
        "revision": 1,
        "changes": [],
        "others": [],
    }
    assert said.json["refusals"] == [
        {
            "source": "nowhere.txt",
            "line": None,
            "reason": "expected a file or a folder, found nothing of this name",
        }
    ]


def test_a_dry_run_says_what_would_happen_and_keeps_nothing(tmp_path: Path) -> None:
    changed = tmp_path / "changed.txt"
    changed.write_text(PAGE.replace("Free / Open Source (Apache 2.0)", "$9/mo"))

    said = newsletter("import", EXAMPLES, changed, "--dry-run")

    assert "SmolVLM2\u2019s price changed from" in said.out
    assert said.out.splitlines()[-1] == (
        "3 new, 1 revised, 0 unchanged, 0 refused (nothing was kept: a dry run)"
    )
    assert rows() == [0, 0, 0, 0]


def test_a_dry_run_on_sqlite_keeps_no_writer_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []

    def meanwhile(session: Session, document: object) -> object:
        with unit_of_work() as other:  # it would wait for a minute, and fail
            readers(other, 1, now=datetime(2026, 11, 25, 9, tzinfo=UTC))
        written.append("somebody joined")
        monkeypatch.undo()
        return comparisons._taken(session, document)  # type: ignore[arg-type]  # noqa: SLF001 - the step itself

    monkeypatch.setattr(comparisons, "_taken", meanwhile)

    said = newsletter("import", next(EXAMPLES.glob("*.txt")), "--dry-run")

    assert (said.status, written) == (0, ["somebody joined"])
    assert rows() == [0, 0, 0, 0]


def test_without_a_path_the_command_says_how_it_is_used() -> None:
    assert newsletter("import").status == 2


def test_the_store_as_a_table() -> None:
    empty = newsletter("comparisons")
    newsletter("import", EXAMPLES)

    table = newsletter("comparisons")

    assert "newsletter import PATH" in empty.out
    assert "SmolVLM2 vs Mistral 3 Small" in table.out
    assert "ship 100%" in table.out


def test_a_single_comparison_can_be_asked_for() -> None:
    newsletter("import", EXAMPLES)

    one = newsletter("comparisons", "smolvlm2-vs-mistral-3-small", "--json")
    none = newsletter("comparisons", "nothing-vs-nobody", "--json")

    assert one.out == f"{LINE}\n"
    assert (none.status, none.out) == (1, "")
    assert none.err == "newsletter: There is no comparison 'nothing-vs-nobody'.\n"


HOSTILE: Final[dict[str, tuple[bytes, str]]] = {
    "empty.txt": (b"", "line 1: expected a compare page, found nothing"),
    "blank.txt": (b"\n \n\t\n", "line 1: expected a compare page, found nothing"),
    "latin.txt": (
        PAGE.replace("Free", "\u00e9t\u00e9", 1)
        .replace("\u00b7", "-")
        .replace("\u2014", "-")
        .encode("cp1252"),
        "line 25: expected UTF-8, found the byte 0xE9; the file looks like Windows-1252",
    ),
    "wide.txt": (PAGE.encode("utf-16"), "expected text in UTF-8, found UTF-16"),
    "wide-unmarked.txt": (PAGE.encode("utf-16-le"), "found what looks like UTF-16"),
    "wider.txt": (PAGE.encode("utf-32"), "expected text in UTF-8, found UTF-32"),
    "picture.txt": (b"\x89PNG\r\n\x1a\n\0\0\0", "found a picture"),
    "document.txt": (b"%PDF-1.7\n", "found a PDF"),
    "archive.txt": (b"\x1f\x8b\x08\0", "found a gzip archive"),
    "page.txt": (b"<!DOCTYPE html><title>A vs B</title>", "found HTML"),
    "nul.txt": (
        PAGE.replace("Free", "Fr\0ee", 1).encode(),
        "line 25: expected text, found a NUL byte",
    ),
    "huge.txt": (b"x" * (LARGEST_PAGE + 1), "expected at most 1,000,000 bytes, found more"),
    "noise.txt": (os.urandom(4000).replace(b"\0", b"\x01"), "expected "),
    "list.json": (
        f"[{LINE}]".encode(),
        "line 1: expected one JSON object on each line, found a list",
    ),
    "pretty.json": (
        json.dumps({**json.loads(LINE), "slug": "Not So"}, indent=1).encode(),
        "pretty.json: slug is not lower-case letters",
    ),
    "deep.jsonl": (b'{"a":' * 100_000, "line 1: expected a JSON object"),
    "twice.jsonl": (
        LINE.replace('"slug":', '"title":"Other","slug":', 1).encode(),
        "line 1: the field 'title' is given twice",
    ),
    "unknown.jsonl": (
        LINE.replace('"slug":', '"winner":"left","slug":', 1).encode(),
        "winner is not part",
    ),
    "high.jsonl": (
        LINE.replace('"score":88', '"score":188', 1).encode(),
        "reviews[0].score is more than 100",
    ),
    "text.jsonl": (
        LINE.replace('"score":88', '"score":"88"', 1).encode(),
        "score is not a whole number",
    ),
    "true.jsonl": (
        LINE.replace('"score":88', '"score":true', 1).encode(),
        "score is not a whole number",
    ),
    "nan.jsonl": (
        LINE.replace('"ship_percent":100', '"ship_percent":NaN', 1).encode(),
        "ship_percent",
    ),
    "when.jsonl": (
        LINE.replace('"published_at":null', '"published_at":"2026-11-23T09:00:00"', 1).encode(),
        "published_at has no time zone",
    ),
    "surrogate.jsonl": (
        LINE.replace("SmolVLM2", "\\ud800", 1).encode(),
        "line 1: expected a JSON object",
    ),
    "null-byte.jsonl": (
        LINE.replace('"entry":"Free"', '"entry":"Fr\\u0000ee"', 1).encode(),
        "control character",
    ),
    "self.jsonl": (
        LINE.replace('"name":"SmolVLM2"', '"name":"Mistral 3 small"', 1).encode(),
        "with itself",
    ),
    "latin.jsonl": (
        LINE.encode().replace(b"Free", b"Fr\xe9", 1),
        "line 1: expected UTF-8, found byte 0xE9",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_file_whatever_is_more_than_refused(name: str, tmp_path: Path) -> None:
    content, sentence = HOSTILE[name]
    path = tmp_path / name
    path.write_bytes(content)

    said = newsletter("import", path)

    assert said.status == 1
    assert said.err.startswith(f"newsletter: {path}")
    assert sentence in said.err
    assert len(said.err.splitlines()) == 1
    assert rows() == [0, 0, 0, 0]


def test_an_object_set_over_several_lines_is_one_comparison(tmp_path: Path) -> None:
    (tmp_path / "pretty.json").write_text(json.dumps(json.loads(LINE), indent=2))

    said = newsletter("import", tmp_path / "pretty.json")

    assert said.out.splitlines()[-1] == "1 new, 0 revised, 0 unchanged, 0 refused"


def test_a_line_without_end_is_refused_and_the_next_one_read(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    path.write_text(f'{{"slug":"{"x" * 3 * LARGEST_COMPARISON}"}}\n{LINE}\n')

    said = newsletter("import", path)

    assert "line 1: expected at most 1,000,000 bytes, found" in said.err
    assert said.out.splitlines()[-1] == "1 new, 0 revised, 0 unchanged, 1 refused"


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    pages = tmp_path / "pages"
    pages.mkdir()
    (pages / "page.txt").write_bytes(b"\xef\xbb\xbf" + PAGE.encode())
    (pages / "line.jsonl").write_bytes(b"\xef\xbb\xbf" + LINE.encode())

    said = newsletter("import", pages)

    assert said.out.splitlines()[-1] == "1 new, 0 revised, 1 unchanged, 0 refused"


def test_a_folder_is_walked_in_order_and_other_files_left_alone(tmp_path: Path) -> None:
    (tmp_path / "deep" / ".hidden").mkdir(parents=True)
    for place in ("b.txt", "deep/a.txt", "deep/.hidden/c.txt", ".d.txt", "notes.md"):
        (tmp_path / place).write_text(PAGE)
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)

    said = newsletter("import", tmp_path, "--json")

    assert [page["source"] for page in said.json["pages"]] == [
        str(tmp_path / "b.txt"),
        str(tmp_path / "deep" / "a.txt"),
    ]


def test_a_folder_without_pages_is_refused_by_its_name(tmp_path: Path) -> None:
    said = newsletter("import", tmp_path)

    assert said.status == 1
    assert said.err.startswith(f"newsletter: {tmp_path}: expected pages (.txt)")


def test_the_export_of_an_empty_store_may_be_imported(tmp_path: Path) -> None:
    (tmp_path / "none.jsonl").write_text(newsletter("comparisons", "--json").out)

    said = newsletter("import", tmp_path / "none.jsonl")

    assert (said.status, said.out) == (0, "0 new, 0 revised, 0 unchanged, 0 refused\n")


def test_a_file_whose_name_is_no_text_can_be_refused(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xe9.txt"
    with open(path, "wb") as file:  # noqa: PTH123 - a name that pathlib would have to invent
        file.write(b"Milk")

    said = newsletter("import", os.fsdecode(path), "--json")

    assert said.json["refusals"][0]["source"].endswith("/\ufffd.txt")


def test_reading_what_was_printed_needs_no_guessing() -> None:
    facts = read_json(LINE.encode())

    assert json_line(facts) == LINE
    assert facts == read_page(PAGE)


def test_the_documented_example_is_what_the_store_takes(tmp_path: Path) -> None:
    document = (EXAMPLES.parent.parent / "docs" / "comparisons.md").read_text()
    example = document.partition("```json\n")[2].partition("```")[0]
    (tmp_path / "example.json").write_text(example)

    said = newsletter("import", tmp_path / "example.json")

    kept = json.loads(newsletter("comparisons", "--json").out)
    assert said.status == 0
    assert {name: kept[name] for name in ("slug", "summary", "url", "published_at")} == {
        name: json.loads(example)[name] for name in ("slug", "summary", "url", "published_at")
    }
    assert kept["tools"][0] == json.loads(example)["tools"][0]

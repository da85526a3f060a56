"""What commands print as a table: all of it, whoever wrote it."""

import pytest

from newsletter.cli.output import moment, print_table


def test_a_row_is_a_line_for_a_program_and_says_everything(
    capsys: pytest.CaptureFixture[str],
) -> None:
    why = "paused [by Ada], see [/issues/7] " + "and so on " * 30

    print_table(("when", "count", "why"), [("2026-11-30", 1204, why.strip())], empty="Nothing.")

    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["when", "count", "why"]
    assert row.split() == ["2026-11-30", "1,204", *why.split()]


def test_without_a_row_it_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("when",), [], empty="Nobody has changed anything yet.")

    assert capsys.readouterr().out == "Nobody has changed anything yet.\n"


def test_a_moment_is_shown_to_the_second() -> None:
    assert moment("2026-11-30T08:00:00.123456+00:00") == "2026-11-30 08:00:00"

"""Lines fit the terminal, whatever they hold."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from inspector.report.layout import Page, columns, wrap


def test_words_are_kept_whole_where_they_fit() -> None:
    assert wrap("one two three four", 9) == ["one two", "three", "four"]


def test_a_word_that_is_too_long_is_cut() -> None:
    assert wrap("abcdefghij kl", 4) == ["abcd", "efgh", "ij", "kl"]


def test_wide_letters_count_twice_and_combining_ones_not_at_all() -> None:
    assert (columns("日本"), columns("e\u0301"), columns("ab")) == (4, 1, 2)


@given(st.text(), st.integers(min_value=20, max_value=50))
def test_no_line_is_longer_than_the_width(text: str, width: int) -> None:
    page = Page(width + 20)
    page.hang("lead", text, 20)
    assert all(columns(line) <= width + 20 for line in page.lines)


@given(st.text(alphabet="ab "), st.integers(min_value=1, max_value=20))
def test_wrapping_loses_no_word(text: str, width: int) -> None:
    assert "".join(wrap(text, width)).replace(" ", "") == text.replace(" ", "")


def test_lines_after_the_first_hang_under_the_text() -> None:
    page = Page(30)
    page.hang("  label", "some words that need two lines", 10)
    assert page.lines == ["  label   some words that need", "          two lines"]


def test_a_long_text_is_cut_where_that_is_asked_for() -> None:
    page = Page(30)
    page.hang("", "one two three four five six seven eight nine ten", 10, most=2)
    assert len(page.lines) == 2
    assert page.lines[1].endswith(" ...")


def test_colours_only_where_they_are_wanted() -> None:
    plain, coloured = Page(40), Page(40, color=True)
    for page in (plain, coloured):
        page.hang("ACCEPTED ", "fine", 2, lead_style="good")
    assert "\x1b" not in plain.text()
    assert "\x1b[1;32m" in coloured.text()


def test_an_escape_sequence_in_a_text_does_not_survive_colours() -> None:
    page = Page(80, color=True)
    page.hang("x", "\x1b]0;owned\x07", 4, style="bad")
    assert "\x1b]" not in page.text()


def test_a_lead_that_ends_in_a_blank_may_fill_its_column() -> None:
    page = Page(30)
    page.hang("  label   ", "some words that need two lines", 10)
    assert page.lines == ["  label   some words that need", "          two lines"]


def test_a_text_without_room_beside_its_lead_stands_beneath_it() -> None:
    page = Page(40)
    page.hang("    0.5 -> client_hello           288", "offers TLSv1.3, TLSv1.2, for localhost", 39)
    page.heading("Steps       -> client, <- server; milliseconds, bytes")
    assert page.lines == [
        "    0.5 -> client_hello           288", "      offers TLSv1.3, TLSv1.2, for", "      localhost", "",
        "Steps       -> client, <- server;", "milliseconds, bytes",
    ]


@given(st.text(), st.text(alphabet="abc def", max_size=60), st.integers(min_value=40, max_value=60), st.integers(0, 39))
def test_no_line_is_longer_than_a_narrow_terminal(text: str, lead: str, width: int, indent: int) -> None:
    page = Page(width)
    page.heading(lead)
    page.hang(lead[: max(indent - 1, 0)], text, indent)
    assert all(columns(line) <= width for line in page.lines)

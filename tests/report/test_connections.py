"""The table of a capture's connections, in a terminal that has room for it and in one that has not."""

from __future__ import annotations

from inspector.report.connections import Table

ROWS = [
    ("0", "192.168.100.100:58529", "203.0.113.250:8443", "api.example.com", "TLSv1.3", "rejected (alert)",
     "server: 45 certificate_expired"),
    ("1", "192.168.100.100:58530", "203.0.113.250:8443", "-", "TLSv1.2", "accepted", "-"),
]


def lines(width: int | None) -> list[str]:
    table = Table(width)
    made = [line for row in ROWS for line in table.add(row)] + table.end()
    return "\n".join(made).split("\n")


def test_a_row_is_a_line_where_there_is_room() -> None:
    for width in (None, 160):
        assert len(lines(width)) == 1 + len(ROWS)


def test_what_it_came_to_stands_on_a_second_line_where_there_is_none() -> None:
    found = lines(80)
    assert max(map(len, found)) <= 80
    assert [line.split() for line in found[2:]] == [
        ["0", "192.168.100.100:58529", "203.0.113.250:8443"],
        ["api.example.com", "TLSv1.3", "rejected", "(alert)", "server:", "45", "certificate_expired"],
        ["1", "192.168.100.100:58530", "203.0.113.250:8443"],
        ["TLSv1.2", "accepted"],
    ]

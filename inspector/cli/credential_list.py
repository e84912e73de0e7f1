"""The tables of ``mtls credentials``: what is kept, until when it is valid, and which rule is for a host."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from inspector.errors import InspectorError
from inspector.report.escape import terminal
from inspector.report.layout import Page
from inspector.report.table import Table

if TYPE_CHECKING:
    from inspector.cli.credential_source import Passphrase
    from inspector.store.rules import Store, StoredCredential

DAY = 86400.0


def _date(moment: float | None) -> str:
    import datetime as dt

    if moment is None:
        return "unknown"
    return dt.datetime.fromtimestamp(moment, dt.UTC).strftime("%Y-%m-%d")


def _remark(moment: float | None, now: float) -> str:
    if moment is None:
        return ""
    days = int((moment - now) // DAY)
    return "expired" if moment < now else f"{days} day{'s' if days != 1 else ''} left" if days < 60 else ""


def _leaf(entry: StoredCredential) -> tuple[str | None, float | None, str]:
    """Subject and expiry of a stored credential as far as they can be read without asking anybody, and what is wrong."""
    from inspector.cli.credential_source import contents_of
    from inspector.credentials.load import assemble
    from inspector.der.certificate import parse

    try:
        credential = assemble(contents_of(entry.paths, _unasked(entry)))
    except InspectorError as exc:
        if exc.kind != "passphrase-needed":
            return None, None, exc.message
        found = _certificate_only(entry)
        return (found[0], found[1], "") if found else (None, None, _why_closed(entry) or exc.message)
    leaf = parse(credential.leaf)
    return leaf.title, leaf.not_after, ""


def _why_closed(entry: StoredCredential) -> str:
    """Why there is no passphrase now; empty where there is one, which did not do."""
    from inspector.cli.credential_source import passphrase_of

    if entry.passphrase is None or entry.passphrase.kind == "prompt":
        return "not opened: its passphrase is asked for when it is used"
    if entry.passphrase.kind == "keyring":
        return "not opened: its passphrase is in the keyring"
    try:
        passphrase_of(entry)
    except InspectorError as exc:
        return f"not opened: {exc.message}"
    return ""


def _unasked(entry: StoredCredential) -> Passphrase:
    """The passphrase where it is at hand: whatever would need a prompt, or an unlocked keyring, stays closed."""
    from inspector.cli.credential_source import Passphrase, passphrase_of

    try:
        found = passphrase_of(entry) if entry.passphrase and entry.passphrase.kind in {"env", "file"} else None
    except InspectorError:
        found = None
    return found or Passphrase(lambda _label: None, given=True)


def _certificate_only(entry: StoredCredential) -> tuple[str, float | None] | None:
    """The first certificate of a PEM file whose key is encrypted."""
    from inspector.cli.credential_source import read_file
    from inspector.credentials.pem import certificates
    from inspector.der.certificate import parse

    if entry.cert is None:
        return None
    try:
        found = certificates(read_file(entry.cert))
    except InspectorError:
        return None
    return (parse(found[0]).title, parse(found[0]).not_after) if found else None


def rows(store: Store, now: float | None = None) -> list[dict[str, Any]]:
    """One row a credential, ready for JSON."""
    now = now or time.time()
    out = []
    for entry in store.credentials:
        subject, not_after, problem = _leaf(entry)
        out.append({
            "name": entry.name, "host": str(entry.pattern), "files": entry.paths,
            "passphrase": str(entry.passphrase) if entry.passphrase else None,
            "subject": subject, "expires": _date(not_after) if not_after is not None else None,
            "remark": problem or _remark(not_after, now),
        })
    return out


def authority_rows(store: Store, now: float | None = None) -> list[dict[str, Any]]:
    """One row a stored CA file, ready for JSON; of several certificates the one that expires first counts."""
    from inspector.cli.credential_source import read_authorities
    from inspector.der.certificate import parse

    now = now or time.time()
    out = []
    for entry in store.authorities:
        problem, found = "", []
        try:
            found = [parse(der) for der in read_authorities(entry.file)]
        except InspectorError as exc:
            problem = exc.message
        first = min((c.not_after for c in found if c.not_after is not None), default=None)
        out.append({
            "name": entry.name, "on": entry.on, "hosts": list(map(str, entry.patterns)), "file": entry.file,
            "subjects": [c.title for c in found], "expires": _date(first) if first is not None else None,
            "remark": problem or _remark(first, now),
        })
    return out


def _grid(headers: tuple[str, ...], lines: list[tuple[str, ...]], first: int, width: int | None) -> str:
    grid = Table(headers, first, width)
    return "\n".join([line for row in lines for line in grid.add(row)] + grid.end())


def table(entries: list[dict[str, Any]], width: int | None = None) -> str:
    """The rows for people, on lines of at most ``width`` columns (None: a row is a line)."""
    return _grid(("NAME", "HOST", "EXPIRES", "SUBJECT", "PASSPHRASE", "REMARK"), [
        tuple(terminal(str(row[key] or "-")) for key in ("name", "host", "expires", "subject", "passphrase",
        "remark")) for row in entries
    ], 3, width)


def authority_table(entries: list[dict[str, Any]], width: int | None = None) -> str:
    """The rows for people, on lines of at most ``width`` columns (None: a row is a line)."""
    lines = []
    for row in entries:
        more = f" and {len(row['subjects']) - 1} more" if len(row["subjects"]) > 1 else ""
        subject = row["subjects"][0] + more if row["subjects"] else "-"
        cells = (
            row["name"], "on" if row["on"] else "off", ", ".join(row["hosts"]) or "all", row["expires"] or "-", subject,
            row["remark"] or "-",
        )
        lines.append(tuple(map(terminal, cells)))
    return _grid(("NAME", "STATE", "HOSTS", "EXPIRES", "SUBJECT", "REMARK"), lines, 4, width)


def explanation(store: Store, host: str, port: int, width: int) -> str:
    """Every rule, hit or miss and why, and the CAs, on lines of at most ``width`` columns."""
    page = Page(width)
    page.line(f"{host}, port {port}")
    rules = store.explain(host, port)
    for rule in rules:
        mark = "SENT" if rule.chosen else "hit" if rule.ruling.hit else "miss"
        less = " (a more specific entry, or an earlier one as specific, comes first)" if rule.ruling.hit and not rule.chosen else ""
        name, pattern = rule.credential.name, str(rule.credential.pattern)
        entry = name if name == pattern else f"{name}: {pattern}"
        page.hang(f"  {mark}", f"{entry}: {rule.ruling.why}{less}", 8)
    if not any(rule.chosen for rule in rules):
        page.line("no credential is kept for it" if rules else "nothing is kept", indent=2)
    for authority in store.authorities:
        covered = authority.covers(host, port)
        state = "trusted" if authority.on and covered else "off" if covered else "not for this host"
        page.line(f"CA {authority.name}: {state}", indent=2)
    return page.text()

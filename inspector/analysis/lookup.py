"""The reference as entries that can be looked up by topic and name: what ``mtls explain`` shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from inspector.analysis import audit_reference, cause_texts, credential_texts, reference, x509_errors
from inspector.wire.registry import AlertDescription


class Section(NamedTuple):
    """A labelled paragraph of an entry."""

    label: str
    text: str


class Entry(NamedTuple):
    """``id`` is what it is found by, with ``aliases``; ``title`` says it in a line."""

    topic: str
    id: str
    title: str
    sections: tuple[Section, ...] = ()
    references: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()


def _sections(*pairs: tuple[str, str]) -> tuple[Section, ...]:
    return tuple(Section(label, text) for label, text in pairs if text)


def _alerts() -> Iterator[Entry]:
    for number, text in reference.ALERTS.items():
        name = AlertDescription(number).label
        yield Entry(
            "alert", str(number), f"{name}: {text.meaning}",
            _sections(("after your certificate", text.about_you)), ("RFC 8446, Section 6",), (name,),
        )


def _causes() -> Iterator[Entry]:
    for id_, text in cause_texts.CAUSE_TEXTS.items():
        yield Entry("cause", id_, text.summary, _sections(
            ("what to do", text.remedy),
            ("refuted where", text.refuted_by),
            ("OpenSSL's log", cause_texts.OPENSSL_WORDS.get(id_, "")),
            ("Go's log", cause_texts.GO_WORDS.get(id_, "")),
            ("Java's log", cause_texts.JAVA_WORDS.get(id_, "")),
        ))


def _findings() -> Iterator[Entry]:
    for id_, title in credential_texts.TITLES.items():
        yield Entry("finding", id_, title, _sections(("what to do", credential_texts.REMEDIES[id_])))


def _checks() -> Iterator[Entry]:
    for row in audit_reference.TABLE:
        needs = "; ".join(audit_reference.NEEDS[need] for need in row.needs)
        remedies = audit_reference.REMEDIES.get(row.id, {})
        yield Entry("check", row.id, row.title, (
            *_sections(("severity", f"{row.severity} at most"), ("needs", needs), ("remedy", remedies.get("", ""))),
            *_sections(*((family, text) for family, text in remedies.items() if family)),
        ), row.references)


def _messages() -> Iterator[Entry]:
    names = dict.fromkeys(name for name, _ in reference.MESSAGES)
    for name in names:
        texts = [(sender, text) for (found, sender), text in reference.MESSAGES.items() if found == name]
        sections: list[tuple[str, str]] = []
        for sender, text in texts:
            if len(texts) > 1:
                sections.append((f"from the {sender}", text.purpose))
            sections.append(("in one-way TLS", text.one_way))
            older = reference.UP_TO_TLS12.get((name, sender))
            if older is not None:
                sections.append(("up to TLS 1.2", older.purpose))
        title = texts[0][1].purpose if len(texts) == 1 else "Both sides send it."
        yield Entry("message", name, title, _sections(*sections), (texts[0][1].reference,))


def _errors() -> Iterator[Entry]:
    for number, meaning in x509_errors.MEANINGS.items():
        yield Entry("error", str(number), meaning.summary, _sections(("what to do", meaning.remedy)))


TOPICS: dict[str, tuple[str, Callable[[], Iterator[Entry]]]] = {
    "alert": ("TLS alerts, by number or name", _alerts),
    "cause": ("why a client certificate is rejected", _causes),
    "finding": ("what else mtls check finds about a credential", _findings),
    "check": ("the checks of mtls audit", _checks),
    "message": ("handshake messages, and how one-way TLS differs", _messages),
    "error": ("OpenSSL's verification errors, by X509_V_ERR number", _errors),
}


def entries(topic: str) -> tuple[Entry, ...]:
    """All entries of a topic. Raises KeyError for an unknown one."""
    return tuple(TOPICS[topic][1]())


def find(name: str, topic: str | None = None) -> tuple[Entry, ...]:
    """Entries whose id or alias is ``name``, case and the kind of dash ignored; in one topic or in all."""
    wanted = _key(name)
    return tuple(
        entry for each in ((topic,) if topic else TOPICS) for entry in entries(each)
        if wanted in map(_key, (entry.id, *entry.aliases))
    )


def near(name: str, topic: str | None = None) -> list[str]:
    """Ids that are spelled much like ``name``."""
    import difflib

    known = {_key(word): word for each in ((topic,) if topic else TOPICS) for e in entries(each) for word in (e.id, *e.aliases)}
    return [known[key] for key in difflib.get_close_matches(_key(name), known, n=3, cutoff=0.65)]


def _key(name: str) -> str:
    return name.strip().lower().replace("_", "-").replace(" ", "-")

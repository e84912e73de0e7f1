"""Several sets of roots, compared over one chain: whose trust would hold where the configured one does not?"""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from inspector.analysis import flights
from inspector.engine.verify import verify_server
from inspector.errors import InputError
from inspector.plan import Trust
from inspector.report.model import Report, StorePart
from inspector.session.settings import Settings
from inspector.trace.transcript import Transcript


def _part(chain: tuple[bytes, ...], store: Trust, now: float) -> StorePart:
    try:
        opinion = verify_server(chain, store, now=now or None)
    except InputError as exc:
        return StorePart(source=store.source, trusted=False, errors=(exc.message,))
    names = tuple(dict.fromkeys(error.name for error in opinion.errors))
    return StorePart(source=store.source, trusted=opinion.accepted, errors=names)


def with_stores(report: Report, transcript: Transcript, settings: Settings) -> Report:
    """The report, and in it what each store alone makes of a chain that was not trusted. Loads the stores, so only then."""
    part = report.verification
    chain = flights.server_chain(transcript)
    if part is UNSET or part.trusted is not False or not chain or len(settings.stores) < 2:
        return report
    stores = tuple(_part(chain, store, settings.now) for store in settings.stores)
    return msgspec.structs.replace(report, verification=msgspec.structs.replace(part, stores=stores))

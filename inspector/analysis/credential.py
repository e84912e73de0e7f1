"""Is a client credential fit for use? Judged offline, all findings at once; each rule is one row of ``RULES``.

The ids are those of the causes of a rejection wherever they are the same thing. Severities: ``critical`` is refused everywhere,
``high`` by most servers, ``medium`` by some, ``low`` and ``info`` are advice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from inspector.analysis import credential_dates, credential_file, credential_path, credential_purpose, credential_strength
from inspector.analysis import credential_revocation as revocation
from inspector.analysis.credential_case import Case, Found, case_of
from inspector.analysis.credential_texts import REMEDIES, SEVERITY_ORDER
from inspector.analysis.findings import Finding
from inspector.analysis.revocation_status import Status
from inspector.credentials.model import Credential

Rule = Callable[[Case], Iterable[Found]]

STRANGERS = {"self-signed", "unknown-ca", "lookalike-ca"}

RULES: tuple[Rule, ...] = (
    credential_path.key_belongs,
    credential_path.signatures_hold,
    credential_path.self_signed,
    credential_path.gaps,
    credential_path.order,
    credential_path.anchored,
    credential_path.authorities,
    credential_path.path_lengths,
    credential_path.constraints,
    credential_dates.dates,
    credential_dates.soon,
    credential_purpose.leaf_is_no_authority,
    credential_purpose.purposes,
    credential_purpose.key_usage,
    credential_purpose.critical_extensions,
    credential_purpose.public_authority,
    credential_strength.signatures,
    credential_strength.keys,
    credential_strength.unusual,
    credential_strength.encoding,
    revocation.revoked,
    credential_file.permissions,
    credential_file.protection,
)


def judge_credential(
    credential: Credential, now: float, *, anchors: Sequence[bytes] = (), crls: Sequence[bytes] = (),
    known_names: Sequence[bytes] = (), statuses: Sequence[Status] = (),
) -> tuple[Finding, ...]:
    """All findings about a credential, the gravest first; none for a good one.

    Args:
        credential: its ``key`` may be None, then nothing is said about the key.
        now: seconds since the epoch.
        anchors: certificates (DER) that the server is known to trust; without them nothing is said about trust.
        crls: revocation lists (DER).
        known_names: names (DER) that the server listed as acceptable: a chain that ends below one of them has no gap.
        statuses: what OCSP responders said.
    """
    case = case_of(credential, now, anchors=anchors, crls=crls, known_names=known_names, statuses=statuses)
    merged: dict[str, Found] = {}
    for rule in RULES:
        for found in rule(case):
            before = merged.get(found.id)
            merged[found.id] = before.with_more(found) if before else found
    if merged.keys() & STRANGERS:
        # revocation lists of the CAs that one knows are not about a certificate of somebody else
        merged.pop("crl-unusable", None)
    findings = [
        Finding(
            id=found.id, severity=found.severity, summary=found.summary, evidence=found.evidence,
            remedy=found.remedy or REMEDIES.get(found.id, ""),
        )
        for found in merged.values()
    ]
    return tuple(sorted(findings, key=lambda finding: SEVERITY_ORDER[finding.severity]))

"""The checks: one row each. ``analysis.audit_reference`` has their texts, severities and needs under the same id.

To add one: a row there, a row here, one function, and one pair of server configurations in the tests.
"""

from __future__ import annotations

from collections.abc import Callable

from inspector.session.audit import enforcement, names, resumption, server_checks, spoofing, trust, wire_checks
from inspector.session.audit.auditor import Auditor, Checking

CHECKS: dict[str, Callable[[Auditor], Checking]] = {
    "ENF-NONE": enforcement.none,
    "ENF-PATH": enforcement.paths,
    "ENF-HOST": names.hosts,
    "ENF-SNI": names.server_names,
    "ENF-RESUME-XVHOST": resumption.across_names,
    "ENF-RESUME-STALE": resumption.stale,
    "ENF-LATE": enforcement.late,
    "ENF-PLAINTEXT": enforcement.plaintext,
    "ENF-STARTTLS": enforcement.starttls,
    "ENF-PARITY": enforcement.parity,
    "TRUST-ANY": trust.any_certificate,
    "TRUST-DN": trust.lookalikes,
    "TRUST-CHAIN": trust.chains,
    "TRUST-STORE": trust.store,
    "TRUST-EXPIRED": trust.expired,
    "TRUST-EKU": trust.purposes,
    "TRUST-REVOKED": trust.revoked,
    "TRUST-WEAKSIG": trust.weak,
    "TRUST-IDENTITY": trust.identity,
    "REQ-CALIST": wire_checks.ca_list,
    "REQ-MATCH": wire_checks.match,
    "REQ-SIGALGS": wire_checks.signature_schemes,
    "PROTO-VERSION": wire_checks.versions,
    "PROTO-CIPHERS": wire_checks.ciphers,
    "PROTO-EARLY": resumption.early_data,
    "PROTO-TICKET": resumption.tickets,
    "SRV-CHAIN": server_checks.chain,
    "SRV-EXPIRY": server_checks.expiry,
    "SRV-KEY": server_checks.key,
    "SRV-STATUS": server_checks.status,
    "CLI-CRED": server_checks.own_credential,
    "HTTP-SPOOF": spoofing.spoof,
    "HTTP-LEAK": spoofing.leaks,
    "HTTP-BOUND": spoofing.bound,
}

# what a check needs (``audit_reference.NEEDS``) -> is it there?
NEEDS: dict[str, Callable[[Auditor], bool]] = {
    "credential": lambda audit: audit.settings.credential is not None,
    "verified": lambda audit: audit.credential is not None,
    "served": lambda audit: audit.credential is not None and (audit.reached or audit.inputs.dry_run),
    "refusal": lambda audit: audit.refused_path() is not None,
    "name": lambda audit: bool(audit.other_names()),
    "http": lambda audit: audit.http,
    "plain": lambda audit: audit.http or bool(audit.inputs.plain_ports),
    "starttls": lambda audit: audit.settings.starttls is not None,
    "expired": lambda audit: bool(audit.inputs.expired or audit.inputs.issuer),
    "wrong-eku": lambda audit: bool(audit.inputs.wrong_eku or audit.inputs.issuer),
    "revoked": lambda audit: bool(audit.inputs.revoked),
    "issue": lambda audit: audit.inputs.issuer is not None,
    "second-client": lambda audit: bool(audit.inputs.second_client),
    "token": lambda audit: audit.inputs.token is not None,
    "consent": lambda audit: audit.inputs.consent,
    "request": lambda audit: audit.requested,
    "ca-names": lambda audit: bool(audit.ca_names()) or audit.settings.credential is not None,
}

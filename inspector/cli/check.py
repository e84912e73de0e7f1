"""``mtls check``."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from inspector.cli import run
from inspector.cli.options import CONNECTION_OPTIONS, CREDENTIAL_OPTIONS, FILE, TRUST_OPTIONS
from inspector.errors import CredentialError, InputError, UsageError

if TYPE_CHECKING:
    from inspector.analysis.match import Request
    from inspector.credentials.model import Credential
    from inspector.report.model import ClientAuthPart, Report

# from the gravest down; a finding at or above the level makes the credential unfit
LEVELS = ("critical", "high", "medium", "low", "info")
MAX_CRL = 64 * 1024 * 1024


class Loaded(NamedTuple):
    """The credential, or as much of it as the files hold, with the error that says what is missing."""

    credential: Credential | None
    error: CredentialError | None
    notes: tuple[str, ...] = ()


def _options(command: Any) -> Any:
    for option in reversed((*CREDENTIAL_OPTIONS, *TRUST_OPTIONS, *CONNECTION_OPTIONS)):
        command = option(command)
    return command


@click.command(epilog="Example: mtls check client.pfx --passphrase-env PFX_PASSPHRASE --against api.example.com")
@click.argument("credential", nargs=-1, type=FILE)
@click.option("--against", metavar="REPORT|TARGET", help="Hold it against a server's request: a report (JSON), or the server.")
@click.option("--crl", metavar="FILE", type=FILE, multiple=True, help="Look it up in this revocation list. Repeatable.")
@click.option("--ocsp", is_flag=True, help="Ask the OCSP responders that the certificates name (network).")
@click.option("--fetch", is_flag=True, help="Fetch missing issuers from where the certificates say they are (network).")
@click.option("--fail-on", type=click.Choice(LEVELS), default="medium", show_default=True,
              help="Level of findings that exit with 1.")
@_options
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout, see docs/json-format.md.")
@click.option("--verbose", "-v", is_flag=True, help="Show more of each certificate, and how the files are protected.")
@click.option("--quiet", "-q", is_flag=True, help="Only the line that says how it ended.")
@click.option("--no-color", is_flag=True, help="No colours (also: NO_COLOR in the environment).")
@run.guarded
def command(credential: tuple[str, ...], **options: Any) -> int:
    """Is this CREDENTIAL fit for use? Offline: nothing is sent or asked anywhere without --against TARGET, --ocsp or --fetch.

    CREDENTIAL is one file or several (PEM, DER, PKCS#12, JKS, JCEKS, kubeconfig, Kubernetes TLS secret) or a folder with a pair of
    files (cert-manager, SPIFFE...). All findings are named at once. With --cacert its chain must lead to one of those CAs (but with
    --against TARGET these are for the server's chain).

    Exit code: 0 fit, 1 findings at or above --fail-on or a request that it does not meet, 3 could not talk, 4 unusable, 5 the
    server's request was not seen.
    """
    now, output = time.time(), run.output_from(options)
    loaded = _load(_paths(credential, options), options)
    # against a server --cacert is for that server's own chain
    anchors = () if _is_target(options["against"]) else _anchors(options["cacert"])
    if loaded.credential is None:
        raise loaded.error or UsageError("there is nothing to check")
    checked = loaded.credential
    crls = tuple(der for path in options["crl"] for der in _revocation_lists(path))
    asked, base = _asked(options)
    findings = _judge(checked, now, anchors, crls, asked, options)
    report = _report(checked, findings, loaded.error, asked, now, base)
    return _finish(report, findings, loaded.notes, output, options["fail_on"])


def _paths(credential: tuple[str, ...], options: dict[str, Any]) -> list[str]:
    if options["pfx"] and (options["cert"] or options["key"]):
        raise UsageError("--pfx and --cert/--key name two credentials", hint="give one or the other")
    paths = [path for path in (*credential, options["pfx"], options["cert"], options["key"]) if path]
    if not paths:
        raise UsageError("no credential to check", hint="name its file, or its folder: mtls check client.pem --key client.key")
    return paths


def _load(paths: list[str], options: dict[str, Any]) -> Loaded:
    """The credential; where key and certificates do not make one, the certificates alone, and why. Raises for unreadable files."""
    from inspector.cli.credential_source import contents_of, passphrase_from
    from inspector.credentials.load import IncompleteCredential, assemble, certificates_alone

    contents = contents_of(paths, passphrase_from(options["passphrase_env"], options["passphrase_file"]))
    protected = (f"protected by {', '.join(contents.encryption)}",) if contents.encryption else ()
    notes = (f"format: {', '.join(dict.fromkeys(contents.formats))}", *protected, *contents.notes)
    try:
        return Loaded(assemble(contents), None, notes)
    except IncompleteCredential as exc:
        return Loaded(certificates_alone(contents), exc, notes)


def _is_target(against: str | None) -> bool:
    return bool(against) and not os.path.isfile(against or "")


def _anchors(paths: tuple[str, ...]) -> tuple[bytes, ...]:
    from inspector.session.trust import read_authorities

    return tuple(der for path in paths for der in read_authorities(path))


def _revocation_lists(path: str) -> list[bytes]:
    """The CRLs in a file (DER). Raises InputError."""
    from inspector.credentials import pem

    try:
        with open(path, "rb") as file:
            data = file.read(MAX_CRL + 1)
    except OSError as exc:
        raise InputError(
            f"cannot read the CRL '{path}': {exc.strerror or 'input/output error'}", kind="file-unreadable", hint="check the path",
        ) from exc
    found = [block.der for block in pem.blocks(data) if block.label == "X509 CRL" and block.der] if pem.is_pem(data) else [data]
    if not found or not found[0].startswith(b"\x30") or len(data) > MAX_CRL:
        raise InputError(f"'{path}' holds no revocation list", kind="no-crl", hint="PEM and DER are understood")
    return found


def _asked(options: dict[str, Any]) -> tuple[Request | None, Report | None]:
    """The request to hold the credential against, and the report on the handshake that it came from, where it is a server's."""
    against = options["against"]
    if not against:
        return None, None
    if not _is_target(against):
        return _from_report(against), None
    from inspector.cli.options import settings_from
    from inspector.session import check

    settings = settings_from(against, {**options, "cert": None, "key": None, "pfx": None}, with_credential=False)
    found = run.conduct(check.run(settings), run.Output())
    return found.request, found.report


def _from_report(path: str) -> Request | None:
    """The request in a report; None where the server did not ask. Raises InputError."""
    import json

    from inspector.analysis.match import request_of_report

    try:
        with open(path, "rb") as file:
            document = json.loads(file.read(MAX_CRL))
        part = document["client_auth"]
        messages = document.get("handshake", {}).get("messages", ())
        return request_of_report(part, messages) if part["requested"] else None
    except OSError as exc:
        raise InputError(f"cannot read '{path}': {exc.strerror or 'input/output error'}", kind="file-unreadable") from exc
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise InputError(
            f"'{path}' is no report with a client_auth part", kind="not-a-report",
            hint="make one with: mtls handshake TARGET --json",
        ) from exc


def _judge(
    checked: Credential, now: float, anchors: tuple[bytes, ...], crls: tuple[bytes, ...], asked: Request | None,
    options: dict[str, Any],
) -> Any:
    from inspector.analysis.credential import judge_credential

    statuses: Any = ()
    if options["fetch"] or options["ocsp"]:
        from inspector.cli import online

        checked = online.fetch_issuers(checked, now, anchors) if options["fetch"] else checked
        statuses = online.ask_responders(checked, now, anchors) if options["ocsp"] else ()
    known = asked.authorities if asked is not None else ()
    return judge_credential(checked, now, anchors=anchors, crls=crls, known_names=known, statuses=statuses)


def _report(
    checked: Credential, findings: Any, error: CredentialError | None, asked: Request | None, now: float, base: Report | None,
) -> Report:
    import msgspec

    from inspector.analysis import emulate, match
    from inspector.analysis.findings import Finding
    from inspector.report import build, model

    if error is not None and error.kind == "key-mismatch":
        cause = Finding(id=error.kind, severity="critical", summary=error.message, remedy=error.hint)
        findings = (cause, *findings)
    report = base or model.Report(command="check", tool=build.tool_part(openssl=False))
    client_auth: ClientAuthPart | msgspec.UnsetType = report.client_auth
    if asked is not None and error is None:
        part = client_auth or _client_auth(asked)
        client_auth = msgspec.structs.replace(
            part, match=match.match(asked, checked), would_send=emulate.would_send(asked, checked, now),
        )
    wrong = model.ReportError(kind=error.kind, message=error.message, hint=error.hint) if error is not None else report.error
    return msgspec.structs.replace(
        report, command="check", credential=build.credential_part(checked, findings), client_auth=client_auth, error=wrong,
    )


def _client_auth(asked: Request) -> ClientAuthPart:
    """The part of the report for a request that was read from another report."""
    from inspector.report.certificates import authorities_part
    from inspector.report.model import ClientAuthPart
    from inspector.wire.registry import ClientCertificateType, SignatureScheme

    return ClientAuthPart(
        requested=True, when=None, certificate_authorities=authorities_part(asked.authorities),
        signature_schemes=tuple(SignatureScheme(number).label for number in asked.schemes),
        certificate_types=tuple(ClientCertificateType(number).label for number in asked.types),
        sent=None, sent_chain=(), verdict="undecided", rejected_by=None, authorities_bytes=asked.authorities_bytes,
    )


def _finish(report: Report, findings: Any, notes: tuple[str, ...], output: run.Output, fail_on: str) -> int:
    from msgspec import UNSET

    from inspector.report import check_text

    failing = sum(LEVELS.index(finding.severity) <= LEVELS.index(fail_on) for finding in findings)
    if output.json:
        run.print_report(report, output)
    else:
        text = check_text.render(
            report, failing, notes, width=output.width, color=output.color, verbose=output.verbose, quiet=output.quiet,
        )
        run.write((text + "\n").encode("utf-8", "backslashreplace"))
    if report.error is not UNSET:
        run.tell_error(report.error.message, report.error.hint)
        return run.ENDED_BY_USER.get(report.error.kind, 3 if check_text.failed_to_ask(report) else 4)
    if failing or check_text.unmet(report):
        return 1
    return 5 if check_text.not_seen(report) else 0

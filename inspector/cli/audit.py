"""``mtls audit``."""

from __future__ import annotations

import ipaddress
import os
import random
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from inspector.cli import run
from inspector.cli.options import output_options, settings_from, settings_options
from inspector.errors import InputError, UsageError

if TYPE_CHECKING:
    from inspector.credentials.model import Credential
    from inspector.session.audit.inputs import Inputs
    from inspector.session.audit.run import Audited
    from inspector.session.settings import Settings

PAIR = "CERT[:KEY]"
AT_ONCE = 8  # targets
SEVERITIES = ("info", "low", "medium", "high", "critical")


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    rows = (
        click.option(
            "--other-name", "other_names", multiple=True, metavar="NAME", help="Another host name of this server. Repeatable."
        ),
        click.option(
            "--plain-port", "plain_ports", multiple=True, type=click.IntRange(1, 65535), help="A port without TLS. Repeatable."
        ),
        click.option("--expired", multiple=True, metavar=PAIR, help="An expired credential of the same CA. Repeatable."),
        click.option("--revoked", multiple=True, metavar=PAIR, help="A revoked credential. Repeatable."),
        click.option("--wrong-eku", multiple=True, metavar=PAIR, help="A credential without clientAuth. Repeatable."),
        click.option(
            "--second-client", multiple=True, metavar=PAIR, help="Another client, that must not reach this resource. Repeatable."
        ),
        click.option(
            "--issue", metavar="CA:KEY", help="Your client CA: expired, weak and other faulty credentials are made in memory."
        ),
        click.option("--token-file", metavar="FILE", help="An access token that is bound to the good credential."),
        click.option("--policy", metavar="FILE", help="Expectations as TOML; exit 1 on a breach. See docs/audit.md."),
        click.option("--waivers", metavar="FILE", help="Accepted findings as TOML: id, host, reason, until."),
        click.option(
            "--fail-on", type=click.Choice(SEVERITIES), default="medium", show_default=True, help="Exit 1 from this severity on."
        ),
        click.option(
            "--profile",
            type=click.Choice(("mozilla-modern", "mozilla-intermediate", "fapi")),
            default="mozilla-intermediate",
            show_default=True,
            help="What the protocol group is held against.",
        ),
        click.option("--sarif", metavar="FILE", help="Also write SARIF 2.1.0."),
        click.option("--junit", metavar="FILE", help="Also write JUnit XML."),
        click.option(
            "--max-connections", type=click.IntRange(1, 10000), default=80, show_default=True, help="Hard cap for a target."
        ),
        click.option("--i-own-this", is_flag=True, help="You may test this public address."),
        click.option("--dry-run", is_flag=True, help="Print every probe and send nothing."),
    )
    for option in reversed(rows):
        command = option(command)
    return command


@click.command(epilog="Example: mtls audit api.example.com --cert me.pem --key me.key --path /orders --issue ca.pem:ca.key")
@click.argument("targets", nargs=-1, required=True, metavar="TARGET...")
@settings_options
@_options
@output_options
@run.guarded
def command(targets: tuple[str, ...], **options: Any) -> int:
    """Can somebody get in to TARGET without the right certificate, by any path, and is it set up well?

    Sends at most 80 requests to each target (GET only, two a second where it is not on loopback), each with an audit id. Bad
    certificates will be seen in the server's logs, and may raise alarms. Exit code: 0 clean, 1 findings at or above --fail-on or a
    breach of the policy, 3 could not talk, 5 could not tell.
    """
    return _Audit(options, run.output_from(options)).run(targets)


class _Answer(NamedTuple):
    """What one target came to."""

    target: str
    audited: Audited
    breaches: tuple[str, ...]
    code: int


class _Audit:
    """One run of the command."""

    def __init__(self, options: dict[str, Any], output: run.Output) -> None:
        from inspector.session.audit.policy import Policy, read_policy, read_waivers

        self.options, self.output = options, output
        self.policy = read_policy(options["policy"], _bytes(options["policy"])) if options["policy"] else Policy()
        self.waivers = read_waivers(options["waivers"], _bytes(options["waivers"])) if options["waivers"] else ()
        self.answers: list[_Answer] = []
        self.shared: dict[str, Any] = {}

    def run(self, targets: tuple[str, ...]) -> int:
        all_inputs = [self._inputs(target) for target in targets]
        if self.options["dry_run"]:
            return self._dry_run(all_inputs)
        self._announce(all_inputs)
        by_host: dict[str, list[Inputs]] = {}
        for inputs in all_inputs:
            by_host.setdefault(inputs.settings.target.host, []).append(inputs)
        run.conduct(_every_host(list(by_host.values()), self._take), self.output)
        self._write_files()
        if len(self.answers) > 1 and not self.output.json:
            self._summary()
        return first_code(answer.code for answer in self.answers)

    def _inputs(self, target: str) -> Inputs:
        from inspector.session.audit.inputs import PER_SECOND, Inputs

        settings = settings_from(target, self.options)
        private, loopback = _nearness(settings)
        if not (private or self.options["i_own_this"] or self.options["dry_run"]):
            raise UsageError(
                f"{settings.target.host} is not known to be a private address",
                hint="an audit looks like an attack: say --i-own-this where it is yours to test",
            )
        if not self.shared:
            self.shared = self._credentials()
        return Inputs(
            settings=settings,
            paths=settings.paths or ("/",),
            paths_given=bool(settings.paths),
            other_names=self.options["other_names"],
            plain_ports=self.options["plain_ports"] or ((80, 8080) if settings.target.port in (443, 8443) else ()),
            consent=private or self.options["i_own_this"],
            max_connections=self.options["max_connections"],
            per_second=0.0 if loopback else PER_SECOND,
            dry_run=self.options["dry_run"],
            audit_id=os.urandom(6).hex(),
            profile=self.options["profile"],
            waivers=(*self.waivers, *self.policy.waivers),
            **self.shared,
        )

    def _credentials(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            kind: tuple(_pair(text, kind) for text in self.options[kind])
            for kind in ("expired", "revoked", "wrong_eku", "second_client")
        }
        found["issuer"] = _issuer(self.options["issue"]) if self.options["issue"] else None
        token = _bytes(self.options["token_file"]).decode("ascii", "replace").strip() if self.options["token_file"] else None
        return {**found, "token": token}

    def _announce(self, all_inputs: list[Inputs]) -> None:
        for inputs in all_inputs:
            run.say(
                f"auditing {inputs.settings.target}: audit id {inputs.audit_id} in X-Mtls-Audit, "
                f"at most {inputs.max_connections} connections; refused certificates may raise alarms there"
            )

    def _dry_run(self, all_inputs: list[Inputs]) -> int:
        from inspector.report.audit_text import render_probes
        from inspector.session.audit.run import run as audit

        for inputs in all_inputs:
            audited = run.conduct(audit(inputs, random.Random(0)), self.output)  # noqa: S311 - names of random paths, no secret
            if self.output.json:
                run.write(
                    _json(
                        {"command": "audit", "dry_run": True, "target": str(inputs.settings.target), "probes": list(audited.probes)}
                    )
                )
            else:
                run.write((render_probes(audited.probes, str(inputs.settings.target), width=self.output.width) + "\n").encode())
        return 0

    def _take(self, inputs: Inputs, audited: Audited) -> None:
        """One target is done: print it."""
        from inspector.report.audit_text import render_audit
        from inspector.session.audit.policy import breaches
        from inspector.session.audit.report import audit_report, days_left

        target = str(inputs.settings.target)
        good = audited.good_accepted
        broken = breaches(self.policy, audited.part, good_accepted=good, days_left=days_left(audited, inputs.settings.now))
        report = audit_report(inputs.settings, audited)
        self.answers.append(_Answer(target, audited, broken, self._code(audited, broken)))
        if self.output.json:
            run.print_report(report, self.output)
        else:
            text = render_audit(
                audited.part,
                target,
                width=self.output.width,
                color=self.output.color,
                verbose=self.output.verbose,
                quiet=self.output.quiet,
            )
            run.write((text + "\n").encode(sys.stdout.encoding or "utf-8", "backslashreplace"))
        for words in broken:
            run.say(f"policy: {words}")
        if audited.unreachable:
            run.tell_error(f"{target} could not be talked to", "is the port right, and does it speak TLS?")

    def _code(self, audited: Audited, broken: tuple[str, ...]) -> int:
        from inspector.analysis.audit_grade import at_least

        if audited.unreachable:
            return 3
        findings = [c for c in audited.part.checks if c.status == "finding" and c.waived is None]
        if broken or any(at_least(c.severity, self.options["fail_on"]) for c in findings):
            return 1
        if self.options["policy"]:
            return 0
        return 5 if audited.part.enforcement == "NOT_DETERMINED" else 0

    def _write_files(self) -> None:
        from inspector.report.as_sarif import junit, sarif

        audits = [(answer.target, answer.audited.part) for answer in self.answers]
        if self.options["sarif"]:
            _save(self.options["sarif"], sarif(audits))
        if self.options["junit"]:
            _save(self.options["junit"], junit(audits, [answer.breaches for answer in self.answers]))

    def _summary(self) -> None:
        from inspector.report.audit_text import render_summary

        rows = [
            (
                answer.target,
                answer.audited.part.enforcement,
                answer.audited.part.grade,
                ", ".join(c.id for c in answer.audited.part.checks if c.status == "finding") or "none",
            )
            for answer in self.answers
        ]
        run.write(("\n" + render_summary(rows, width=self.output.width) + "\n").encode())


def _every_host(hosts: list[list[Inputs]], take: Callable[[Inputs, Audited], None]) -> Generator[Any, Any, None]:
    """All targets, the hosts side by side: their steps go out together, the targets of one host one after the other."""
    from inspector.session.audit.run import run as audit

    if len(hosts) == 1:
        for inputs in hosts[0]:
            take(inputs, (yield from audit(inputs, random.Random())))  # noqa: S311 - names of random paths, no secret
        return
    from inspector.session.audit.together import side_by_side

    yield from side_by_side(hosts, take, AT_ONCE)


def first_code(codes: Iterator[int]) -> int:
    """Of several targets the first of 4, 3, 1, 5, 0 that occurred."""
    seen = set(codes)
    return next((code for code in (4, 3, 1, 5, 0) if code in seen), 0)


def _bytes(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as exc:
        raise InputError(
            f"{path} cannot be read: {exc.strerror}", hint="check the path and its permissions", kind="file-unreadable"
        ) from exc


def _save(path: str, data: bytes) -> None:
    try:
        Path(path).write_bytes(data)
    except OSError as exc:
        raise InputError(
            f"{path} cannot be written: {exc.strerror}", hint="check the folder and its permissions", kind="file-unwritable"
        ) from exc


def _json(document: Any) -> bytes:
    import json

    return json.dumps(document).encode() + b"\n"


def _pair(text: str, what: str) -> Credential:
    """A credential from ``CERT.pem:KEY.pem`` or one combined file."""
    from inspector.cli.credential_source import credential_from_options

    cert, colon, key = text.partition(":")
    credential = credential_from_options(None, cert, key if colon else None, None)
    assert credential is not None
    return credential._replace(source=f"{what.replace('_', '-')} {cert}")


def _issuer(text: str) -> Any:
    """The user's CA as an issuer. Its key stays in memory."""
    from inspector.credentials.mint import Minted
    from inspector.der import certificate

    ca = _pair(text, "issue")
    cert = certificate.parse(ca.leaf)
    if not cert.ext.is_ca:
        raise InputError(
            f"{text.partition(':')[0]} holds no CA certificate", hint="--issue wants the CA that issues your clients' certificates"
        )
    return Minted(ca.leaf, ca.key, tuple(ca.chain[1:]), cert.subject_der, cert.ext.subject_key_id)


def _nearness(settings: Settings) -> tuple[bool, bool]:
    """(private, loopback) of where the probes will go, as far as can be said without a resolver."""
    if settings.target.unix_path:
        return True, True
    host = settings.connect_to[0] if settings.connect_to else settings.addresses[0] if settings.addresses else settings.target.host
    if host == "localhost" or host.endswith(".localhost"):
        return True, True
    try:
        address = ipaddress.ip_address(host.split("%")[0])
    except ValueError:
        return False, False
    return address.is_private or address.is_loopback or address.is_link_local, address.is_loopback

"""``mtls audit``."""

from __future__ import annotations

import random
from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from inspector.cli import run
from inspector.cli.audit_inputs import audit_options, inputs_of, read_bytes, save, shared_inputs
from inspector.cli.options import output_options, settings_options

if TYPE_CHECKING:
    from inspector.cli.output import Output
    from inspector.session.audit.inputs import Inputs
    from inspector.session.audit.run import Audited

AT_ONCE = 8  # hosts


@click.command(epilog="Example: mtls audit api.example.com --cert me.pem --key me.key --path /orders --issue ca.pem:ca.key")
@click.argument("targets", nargs=-1, required=True, metavar="TARGET...")
@settings_options
@audit_options
@output_options
@run.guarded
def command(targets: tuple[str, ...], **options: Any) -> int:
    """Can somebody get in to TARGET without the right certificate, by any path, and is it set up well?

    Sends at most 80 requests to each target (GET, HEAD and OPTIONS only, two a second where it is not on loopback), each with an
    audit id. Bad certificates will be seen in the server's logs, and may raise alarms. Exit code: 0 clean, 1 findings at or above
    --fail-on or a breach of the policy, 3 could not talk, 5 could not tell.
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

    def __init__(self, options: dict[str, Any], output: Output) -> None:
        from inspector.session.audit.policy import Policy, read_policy, read_waivers

        self.options, self.output = options, output
        self.policy = read_policy(options["policy"], read_bytes(options["policy"])) if options["policy"] else Policy()
        waivers = read_waivers(options["waivers"], read_bytes(options["waivers"])) if options["waivers"] else ()
        self.waivers = (*waivers, *self.policy.waivers)
        self.options["profile"] = self.policy.profile or options["profile"]
        self.answers: list[_Answer] = []
        self.partial: list[tuple[Inputs, Audited]] = []  # what there was when somebody interrupted

    def run(self, targets: tuple[str, ...]) -> int:
        shared = shared_inputs(self.options)
        all_inputs = [inputs_of(target, self.options, shared, self.waivers) for target in targets]
        if self.options["dry_run"]:
            return self._dry_run(all_inputs)
        for inputs in all_inputs:
            run.say(
                f"auditing {inputs.settings.target}: audit id {inputs.audit_id} in X-Mtls-Audit, "
                f"at most {inputs.max_connections} connections; refused certificates may raise alarms there"
            )
        by_host: dict[str, list[Inputs]] = {}
        for inputs in all_inputs:
            by_host.setdefault(inputs.settings.target.host, []).append(inputs)
        ended = self._drive(self._host(inputs) for inputs in by_host.values())
        self._write_files()
        if len(self.answers) > 1 and not self.output.json:
            self._summary()
        return ended or first_code(answer.code for answer in self.answers)

    def _drive(self, jobs: Iterable[Generator[Any, Any, None]]) -> int | None:
        """The hosts side by side. Returns the exit code of an interrupt, after which the reports so far are printed; or None."""
        from inspector import drive
        from inspector.cli import observers

        with observers.watching(self.output) as watchers:
            try:
                for _ in drive.run_many(jobs, observers=watchers, limit=AT_ONCE):
                    pass
            except drive.Interrupted as interrupt:
                terminated = isinstance(interrupt, run.Terminated) or isinstance(interrupt.__cause__, run.Terminated)
                if not (self.partial or self.answers):  # it came before any audit had begun
                    raise run.Terminated if terminated else KeyboardInterrupt from interrupt
                for inputs, audited in self.partial:
                    self._take(inputs, audited, ended="terminated" if terminated else "interrupted")
                return run.TERMINATED if terminated else run.INTERRUPTED
        return None

    def _host(self, targets: list[Inputs]) -> Generator[Any, Any, None]:
        """The targets of one host, one after the other; each is printed as it finishes."""
        from inspector.session.audit.run import run as audit

        for inputs in targets:
            audited = yield from audit(inputs, random.Random())  # noqa: S311 - names of random paths, no secret
            if audited.interrupted:
                self.partial.append((inputs, audited))
                if audited.raised is not None:
                    raise audited.raised
                return
            self._take(inputs, audited)

    def _dry_run(self, all_inputs: list[Inputs]) -> int:
        from inspector.report.audit_text import render_probes
        from inspector.session.audit.report import dry_report
        from inspector.session.audit.run import run as audit

        for inputs in all_inputs:
            audited = run.conduct(audit(inputs, random.Random(0)), self.output)  # noqa: S311 - names of random paths, no secret
            if self.output.json:
                run.print_report(dry_report(inputs.settings, audited), self.output)
            else:
                run.write_text(render_probes(audited.probes, str(inputs.settings.target), width=self.output.width))
        return 0

    def _take(self, inputs: Inputs, audited: Audited, *, ended: str | None = None) -> None:
        """One target is done: print it."""
        from inspector.report.audit_text import render_audit
        from inspector.session.audit.policy import breaches
        from inspector.session.audit.report import audit_report, days_left

        target = str(inputs.settings.target)
        left = days_left(audited, inputs.settings.now)
        broken = breaches(self.policy, audited.part, good_accepted=audited.good_accepted, days_left=left)
        report = audit_report(inputs.settings, audited, ended=ended)
        self.answers.append(_Answer(target, audited, broken, self._code(audited, broken)))
        if self.output.json:
            run.print_report(report, self.output)
        else:
            how = self.output
            run.write_text(
                render_audit(audited.part, target, width=how.width, color=how.color, verbose=how.verbose, quiet=how.quiet)
            )
        for words in broken:
            run.say(f"policy: {words}")
        if report.error:
            run.tell_error(report.error.message, report.error.hint)

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
            save(self.options["sarif"], sarif(audits))
        if self.options["junit"]:
            save(self.options["junit"], junit(audits, [answer.breaches for answer in self.answers]))

    def _summary(self) -> None:
        from inspector.report.audit_text import render_summary

        rows = [(answer.target, answer.audited.part) for answer in self.answers]
        run.write_text("\n" + render_summary(rows, width=self.output.width))


def first_code(codes: Iterable[int]) -> int:
    """Of several targets the first of 4, 3, 1, 5, 0 that occurred."""
    seen = set(codes)
    return next((code for code in (4, 3, 1, 5, 0) if code in seen), 0)

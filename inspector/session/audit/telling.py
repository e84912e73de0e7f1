"""Check results in words: evidence, the control that makes a finding, the commands that repeat it, the remedy."""

from __future__ import annotations

import shlex
from typing import Any

from inspector.analysis.audit_outcome import Outcome
from inspector.analysis.audit_reference import BY_ID, remedy
from inspector.analysis.findings import CheckResult, Evidence, Severity
from inspector.analysis.verification import weak_key, weak_signature
from inspector.app import steps
from inspector.credentials.model import Credential
from inspector.der import certificate
from inspector.session.audit import repeating
from inspector.session.audit.knowledge import Knowledge
from inspector.session.audit.recipes import files_of
from inspector.session.audit.shape import KEEP, Shape

NONE = "no certificate"
PASTED = "@TOKEN@"  # stands for the user's token until a command is complete
WITH_A_NAME = ("postgres", "mysql")  # protocols whose first step says who we are


class Telling(Knowledge):
    """Makes check results of outcomes."""

    def words(self, shape: Shape) -> str:
        """The probe in words, for people and for --dry-run."""
        sni = self.base.server_name if shape.sni == KEEP else shape.sni
        parts = [shape.name, f"SNI {sni or 'none'}"]
        if self.http:
            parts.append(f"{shape.method} {shape.path} Host {self.host if shape.host == KEEP else shape.host}")
        parts += _named(shape)
        parts += [f"TLS {shape.version}"] if shape.version else []
        parts += [f"ALPN {' '.join(shape.alpn) or 'none'}"] if shape.alpn is not None else []
        parts += ["resumed session"] if shape.session is not None else []
        parts += [f"{name}: {_shown(name, value)[:40]}" for name, value in shape.headers[:3]]
        parts += [f"and {len(shape.headers) - 3} more headers"] if len(shape.headers) > 3 else []
        return ", ".join(parts)

    def result(
        self,
        check: str,
        status: Any,
        summary: str,
        *,
        severity: Severity | None = None,
        confidence: str | None = None,
        seen: tuple[Outcome, ...] = (),
        control: str | None = None,
        repeat: str | None = None,
        needs: str | None = None,
        facts: tuple[str, ...] = (),
    ) -> CheckResult:
        """A check's result with its evidence, remedy and references."""
        row = BY_ID[check]
        evidence = tuple(self.evidence(outcome) for outcome in seen) + tuple(Evidence(fact) for fact in facts)
        return CheckResult(
            id=check,
            status=status,
            severity=severity or row.severity,
            confidence=confidence,
            summary=summary,
            evidence=evidence,
            control=control,
            repeat=repeat,
            remedy=remedy(check, self.family) if status == "finding" else "",
            references=row.references if status == "finding" else (),
            needs=needs,
        )

    def evidence(self, outcome: Outcome) -> Evidence:
        """What one probe saw, with what the document of an audit must carry: number, names, credential, answer."""
        parts = [f"probe {outcome.number}: {outcome.what}: {outcome.how}"]
        if outcome.protocol:
            parts.append(outcome.protocol + (", resumed" if outcome.resumed else ""))
        if outcome.body:
            parts.append("answer begins " + repr(_mask(outcome.body[:80].decode("utf-8", "replace"))))
        return Evidence("; ".join(parts), probe=outcome.name)

    def control(self, outcome: Outcome | None) -> str | None:
        """The control probe that makes something a finding, in words."""
        return f"probe {outcome.number} ({outcome.what}): {outcome.how}" if outcome is not None else None

    def repeat(self, shape: Shape) -> str | None:
        """Commands that repeat the probe: ours, and `openssl s_client`; before them those that make a throw-away credential.

        None where no such program can: none of them splits a ClientHello. HTTP/2 is spoken by ours alone.
        """
        if shape.split:
            return None
        if not self.http:
            return self._repeat_other(shape)
        made, options, pem = self._files(shape.credential)
        sni = self.base.server_name if shape.sni == KEEP else shape.sni
        host = self.host if shape.host == KEEP else shape.host
        alpn = (self.base.alpn if shape.alpn is None else shape.alpn) or ()
        ours = ["mtls", "request", self._url(sni, shape.path), "-i", "--insecure", "--http2" if "h2" in alpn else "--http1.1"]
        ours += ["-X", shape.method] if shape.method != "GET" else []
        ours += [*self._connect_to(sni, shape.address), "-H", f"Host: {host}", *options]
        theirs = ["openssl", "s_client", "-quiet", "-connect", repeating.connect(self, shape.address)]
        theirs += ["-servername", sni] if sni else ["-noservername"]
        theirs += ["-alpn", ",".join(alpn)] if alpn else []
        theirs += ["-cert", pem[0], "-cert_chain", pem[0], "-key", pem[1]] if pem else []
        # else the openssl program does not load it
        theirs += ["-cipher", "DEFAULT:@SECLEVEL=0"] if shape.credential is not None and _is_weak(shape.credential) else []
        for header, value in shape.headers:
            ours += ["-H", f"{header}: {self._pasted(header, value)}"]
        if shape.version:
            ours += ["--tls-min", shape.version, "--tls-max", shape.version]
            theirs.append("-tls1_3" if shape.version == "1.3" else "-tls1_2")
        headers = tuple((header, self._pasted(header, value)) for header, value in shape.headers)
        raw = [f"{_printf(shape._replace(headers=headers), host)} | {shlex.join(theirs)}"] if "h2" not in alpn else []
        return "\n".join(line.replace(PASTED, self._token_again()) for line in [*made, shlex.join(ours), *raw])

    def repeat_late(self, protocol: str | None) -> str:
        """Commands that show a CertificateRequest after the request: ours, and the openssl program's."""
        lines = (self.repeat(Shape("late", self.path, version="1.3" if protocol == "TLSv1.3" else "1.2")) or "").splitlines()
        sni = self.base.server_name
        ours = ["mtls", "handshake", repeating.connect(self), "--insecure", *(["--server-name", sni] if sni else [])]
        return "\n".join(
            [
                shlex.join([*ours, "--path", self.path, "--verbose"]),
                f"{lines[-1]} -enable_pha -msg 2>&1 | grep -E 'CertificateRequest|HelloRequest'",
            ]
        )

    def _pasted(self, header: str, value: str) -> str:
        """A header's value in a command: the user's token is read from its file, and stands nowhere."""
        return f"Bearer {PASTED}" if (header, value) in self.token else _shown(header, value)

    def _token_again(self) -> str:
        """Stands within single quotes, and leaves them for a moment."""
        return f"""'"$(cat {shlex.quote(self.inputs.token_file)})"'""" if self.inputs.token_file else "..."

    def _repeat_other(self, shape: Shape) -> str:
        """For what is no HTTP: the handshake and the first step again."""
        made, options, _ = self._files(shape.credential)
        words = ["mtls", "handshake", repeating.connect(self, shape.address), "--insecure", "--app", self.protocol, *options]
        words += ["--server-name", self.base.server_name] if self.base.server_name else []
        words += ["--starttls", self.settings.starttls] if self.settings.starttls else []
        words += ["--app-user", self.user(shape.credential)] if self.protocol in WITH_A_NAME else []
        words += ["--tls-min", shape.version, "--tls-max", shape.version] if shape.version else []
        return "\n".join([*made, shlex.join(words)])

    def user(self, credential: Credential | None) -> str:
        """The name that a first step logs in with: the good credential's, because its resource is what others must not reach."""
        return steps.user_of(self.settings._replace(credential=self.settings.credential or credential))

    def _url(self, sni: str | None, path: str) -> str:
        """The URL whose host is the SNI; without one the address, because an address is no SNI."""
        port = self.settings.target.port
        host = sni or self.address() or self.settings.target.host
        return f"https://{f'[{host}]' if ':' in host else host}:{port}{path}"

    def _connect_to(self, sni: str | None, address: str | None) -> list[str]:
        elsewhere = address is not None or (sni and sni != self.settings.target.host)
        return ["--connect-to", repeating.connect(self, address)] if elsewhere else []

    def _files(self, credential: Credential | None) -> tuple[list[str], list[str], tuple[str, str] | None]:
        """(commands that make it, our options, its PEM files) for a credential: the user's, or a throw-away one by its recipe."""
        if credential is None:
            return [], [], None
        files = credential.origin.files
        if files and not credential.throw_away:
            own = files_of(credential)
            return list(own.made), _pem_options(files) if not own.made else ["--pfx", files[0]], (own.cert, own.key)
        made = self.kit.recipe(credential, self.inputs.issuer_files) if self.kit is not None else []
        return made, ["--cert", "probe.pem", "--key", "probe.key"], ("probe.pem", "probe.key")


def _pem_options(files: tuple[str, ...]) -> list[str]:
    return ["--cert", files[0], *(["--key", files[1]] if len(files) > 1 else [])]


def _printf(shape: Shape, host: str) -> str:
    lines = [
        f"{shape.method} {shape.path} HTTP/1.1",
        f"Host: {host}",
        *(f"{name}: {value}" for name, value in shape.headers),
        "Connection: close",
        "",
        "",
    ]
    request = "\\r\\n".join(line.replace("\\", "\\\\").replace("%", "%%").replace("'", "'\\''") for line in lines)
    return f"printf '{request}'"


def _named(shape: Shape) -> list[str]:
    """The credential, unless the probe's name has said it."""
    credential = shape.credential
    if credential is None:
        return [] if shape.name.startswith(NONE) else [NONE]
    import hashlib

    digest = f"SHA-256 {hashlib.sha256(credential.leaf).hexdigest()[:16]}"
    return [digest if credential.source in shape.name else f"{credential.source} ({digest})"]


def _is_weak(credential: Credential) -> bool:
    """A certificate that OpenSSL refuses at its usual security level: a SHA-1 signature, or a short key."""
    cert = certificate.parse(credential.leaf)
    return bool(weak_key(cert) or weak_signature(cert))


def _shown(header: str, value: str) -> str:
    """A header's value as it may be printed: tokens are the user's secrets, and Basic is a claim that we made up."""
    return "..." if header.lower() == "authorization" and not value.startswith("Basic ") else value


def _mask(text: str) -> str:
    """Long opaque words may be secrets: only their beginning is shown."""
    return " ".join(word if len(word) <= 40 else word[:12] + "..." for word in text.split())

"""How far the network let us come, and the error that a person is told where that was not far enough."""

from __future__ import annotations

from inspector.report.model import AddressOutcome, NetworkError, NetworkPart, ReportError
from inspector.trace import events as ev
from inspector.trace.phase import Phase
from inspector.trace.transcript import Transcript
from inspector.wire import events as wire
from inspector.wire.events import Side

# protocols that begin in the clear: what NotTls.looks_like says -> what --starttls calls it
STARTTLS_NAMES = {
    "smtp": "smtp", "imap": "imap", "pop3": "pop3", "ftp": "ftp", "ldap": "ldap", "mysql": "mysql", "postgres": "postgres",
    "postgresql": "postgres", "xmpp": "xmpp", "nntp": "nntp",
}


def spoke_tls(transcript: Transcript) -> bool:
    """True where at least one TLS record of the server was understood, or a capture lacks what the server said."""
    kinds = (wire.Message, wire.Alert, wire.ChangeCipherSpec, wire.OpaqueRecord, wire.ApplicationData)
    if any(isinstance(event, kinds) and event.side is Side.SERVER for event in transcript.events):
        return True
    alien = any(event.side is Side.SERVER for event in transcript.all(wire.NotTls))
    return not alien and any(event.side is Side.SERVER for event in transcript.all(wire.Gap))


def _error_of(transcript: Transcript) -> NetworkError | None:
    resolved = transcript.last(ev.Resolved)
    if resolved is not None and resolved.error is not None:
        return NetworkError(kind="dns", detail=resolved.error)
    ended = transcript.last(ev.Ended)
    if transcript.first(ev.Connected) is None:
        failed = [a for a in transcript.all(ev.Attempt) if a.error is not None and a.kind != "abandoned"]
        if failed:
            return NetworkError(kind=failed[-1].kind or "other", detail="; ".join(f"{a.address}: {a.error}" for a in failed))
        if ended is not None and ended.how == "interrupted":
            return None
        return NetworkError(kind="timeout", detail=ended.detail or ended.how) if ended is not None else None
    alien = next((e for e in transcript.all(wire.NotTls) if e.side is Side.SERVER), None)
    if alien is not None and not spoke_tls(transcript):  # MariaDB sends an error in the clear after its alert
        return NetworkError(kind="not-tls", detail=alien.reason)
    if ended is None or spoke_tls(transcript) or ended.how in ("interrupted", "done"):
        return None
    if transcript.phase_of(ended) is Phase.PRELUDE or ended.phase is Phase.PRELUDE:
        return NetworkError(kind="prelude", detail=ended.detail or ended.how)
    if ended.by == "client" and ended.how in ("fin", "reset"):  # so a capture says it
        return NetworkError(kind="silent", detail=f"the client left after {_waited(transcript, ended)} seconds")
    if ended.how == "deadline":
        return NetworkError(kind="silent", detail=f"nothing came within {_waited(transcript, ended)} seconds")
    kind = {"fin": "closed", "reset": "reset"}.get(ended.how, ended.how)
    return NetworkError(kind=kind, detail=ended.detail or f"the connection ended by {ended.by}: {ended.how}")


def _waited(transcript: Transcript, ended: ev.Ended) -> str:
    """Seconds from the connection to its end, to a tenth: enough to know the deadline again that was given."""
    connected = transcript.first(ev.Connected)
    return f"{round(ended.at - (connected.at if connected is not None else 0.0), 1):g}"


def network_part(transcript: Transcript) -> NetworkPart:
    """What became of every address, the round trip, and how the connection ended."""
    connected = transcript.first(ev.Connected)
    ended = transcript.last(ev.Ended)
    return NetworkPart(
        connected=connected is not None,
        error=_error_of(transcript),
        round_trip_ms=round(connected.seconds * 1000, 3) if connected is not None else None,
        attempts=tuple(
            AddressOutcome(address=a.address, port=a.port, seconds=round(a.seconds, 6), error=a.error)
            for a in transcript.all(ev.Attempt)
        ),
        ended_by=ended.by if ended is not None else None,
        ended_how=ended.how if ended is not None else None,
    )


Told = tuple[str, str]


def _not_tls(where: str, error: NetworkError, looks_like: str) -> Told:
    message = f"{where} does not speak TLS: {error.detail}"
    if looks_like in STARTTLS_NAMES:
        return message, f"this looks like {looks_like}, which starts in the clear: try --starttls {STARTTLS_NAMES[looks_like]}"
    if looks_like == "http":
        return message, "this is plain HTTP: use the port where TLS is spoken (443, as a rule)"
    if looks_like:
        return message, f"this looks like {looks_like}: is it the right port?"
    return message, "is it the right port? protocols that start in the clear need --starttls"


# kind -> (message, hint); {where} is the target, {detail} what the network said
TOLD: dict[str, Told] = {
    "dns": ("cannot find the address of {where}: {detail}", "check the spelling; --connect-to HOST:PORT goes somewhere else"),
    "refused": ("nobody listens on {where} (connection refused)", "check the port, and that the server is running"),
    "timeout": ("no answer from {where}: {detail}", "a firewall may drop the packets; --timeout SECONDS waits longer"),
    "unreachable": ("cannot reach {where}: {detail}", "check the network, the route and the address"),
    "silent": (
        "{where} accepts the connection, and does not answer our ClientHello: {detail}",
        "is it a TLS port? protocols that start in the clear need --starttls; large hellos may be dropped: try --groups X25519",
    ),
    "closed": (
        "{where} closed the connection in answer to our ClientHello, without a word of TLS",
        "is it a TLS port? it may want another name (--server-name), or a smaller hello (--groups X25519)",
    ),
    "reset": (
        "{where} reset the connection in answer to our ClientHello, without a word of TLS",
        "a firewall or a load balancer may be in the way; it may want another name (--server-name)",
    ),
    "prelude": (
        "{where} did not let us begin TLS: {detail}",
        "these are its own words; another name is --server-name, another protocol --starttls",
    ),
}
NO_SOCKET: Told = ("nobody listens on {where}: {detail}", "check the path of the socket, and that the server is running")
USUALLY: Told = ("cannot talk to {where}: {detail}", "check host and port")


def report_error(where: str, network: NetworkPart, transcript: Transcript) -> ReportError | None:
    """The error for people, None where nothing is wrong with the network. ``where`` is the target as text."""
    error = network.error
    if error is None:
        return None
    first_hop = _first_hop(transcript) if not network.connected else None
    if first_hop is not None and error.kind in TOLD:
        place, cause = first_hop
        message, hint = TOLD[error.kind][0].format(where=place, detail=error.detail), f"{cause}; {where} itself was not asked"
    elif error.kind == "prelude" and (closed := _closed_proxy(transcript, where, error.detail)) is not None:
        message, hint = closed
    elif error.kind == "not-tls":
        alien = next((e for e in transcript.all(wire.NotTls) if e.side is Side.SERVER), None)
        message, hint = _not_tls(where, error, alien.looks_like if alien else "")
    else:
        told = NO_SOCKET if error.kind == "refused" and where.startswith("unix:") else TOLD.get(error.kind, USUALLY)
        message, hint = (text.format(where=where, detail=error.detail.removeprefix(f"{where}: ")) for text in told)
    return ReportError(kind=error.kind, message=message, hint=hint)


TUNNELS = ("http-connect", "socks5")
REFUSED = "the proxy refused the tunnel: "
LOGIN = ("407", "255")  # Proxy Authentication Required; SOCKS5's NO ACCEPTABLE METHODS (RFC 1928, Section 3)


def _closed_proxy(transcript: Transcript, where: str, detail: str) -> Told | None:
    """What is told where it was the proxy that said no, not the target; None where it was not."""
    first_hop, road = _first_hop(transcript), getattr(transcript.plan, "road", None)
    said = [done.result for done in transcript.all(ev.PreludeDone) if done.name in TUNNELS]
    if first_hop is None or road is None or road.proxy is None or any(result.accepted for result in said):
        return None
    message = f"{first_hop[0]} opened no tunnel to {where}: {detail.removeprefix(REFUSED)}"
    if said and said[-1].status in LOGIN:
        return message, "--proxy-user NAME says who you are; the password is read from the environment variable MTLS_PROXY_PASSWORD"
    return message, f"these are the proxy's own words: ask whether it may reach {where}; --proxy none goes without"


def _first_hop(transcript: Transcript) -> Told | None:
    """Where the road begins if not at the target, and who said so; None where it begins there."""
    road = getattr(transcript.plan, "road", None)
    if road is None:
        return None
    if road.proxy is not None:
        proxy = road.proxy
        host = f"[{proxy.host}]" if ":" in proxy.host else proxy.host
        return f"the proxy {proxy.kind}://{host}:{proxy.port}", "check --proxy, HTTPS_PROXY and ALL_PROXY (--proxy none uses none)"
    if road.connect_to is not None:
        host, port = road.connect_to
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}", "check --connect-to"
    return None

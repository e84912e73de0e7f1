"""What the options common to all commands come to: pure data, made by ``cli`` and read by the sessions."""

from __future__ import annotations

from typing import NamedTuple

from inspector.credentials.model import Credential
from inspector.plan import HandshakePlan, Proxy, Road, Timeouts, TlsVersion, Trust
from inspector.target import Target, without_zone


class Settings(NamedTuple):
    """One target and how to meet it. ``app`` None: by port, HTTP where the port is of no other protocol."""

    target: Target
    credential: Credential | None = None
    trust: Trust = Trust()
    stores: tuple[Trust, ...] = ()  # sets of roots to compare where ``trust`` does not hold
    insecure: bool = False
    server_name: str | None = None  # given by the user; None: the target's host
    connect_to: tuple[str, int] | None = None
    addresses: tuple[str, ...] = ()
    family: int = 0
    interface: str | None = None
    proxy: Proxy | None = None
    proxy_protocol: int = 0
    starttls: str | None = None
    app: str | None = None
    app_user: str | None = None
    paths: tuple[str, ...] = ()
    minimum: TlsVersion | None = None
    maximum: TlsVersion | None = None
    alpn: tuple[str, ...] | None = None  # None: what the application wants
    ciphers: str | None = None
    groups: str | None = None
    sigalgs: str | None = None
    timeouts: Timeouts = Timeouts()
    now: float = 0.0  # wall clock at the start, seconds since the epoch
    keep_records: bool = False

    @property
    def effective_server_name(self) -> str | None:
        """What goes into SNI: the option's value, else the target's host if it is a DNS name, without a trailing dot (RFC 6066,
        Section 3).
        """
        name = self.server_name or self.target.host
        return name.removesuffix(".") if name and not Target(name, 0).is_ip else None

    @property
    def verify_name(self) -> str | None:
        """The name or address that the server's certificate must hold."""
        return without_zone(self.server_name or self.target.host) or None


def road_of(settings: Settings) -> Road:
    """The road to the target, with the STARTTLS conversation where one is asked for."""
    from inspector.app import starttls

    return Road(
        target=settings.target,
        connect_to=settings.connect_to,
        addresses=settings.addresses,
        family=settings.family,
        interface=settings.interface,
        proxy=settings.proxy,
        proxy_protocol=settings.proxy_protocol,
        starttls=settings.starttls,
        prelude=starttls.prelude_for(settings.starttls, settings.verify_name or "") if settings.starttls else None,
    )


def handshake_plan(settings: Settings, name: str = "handshake") -> HandshakePlan:
    """The plan that the settings ask for, with the application's first step."""
    from inspector.app import steps

    app = steps.resolve_protocol(settings.app, settings.starttls, settings.target.port)
    return HandshakePlan(
        road=road_of(settings),
        name=name,
        server_name=settings.effective_server_name,
        verify_name=settings.verify_name,
        trust=settings.trust,
        credential=settings.credential,
        insecure=settings.insecure,
        minimum=settings.minimum,
        maximum=settings.maximum,
        alpn=settings.alpn if settings.alpn is not None else steps.alpn_of(app),
        ciphers=settings.ciphers,
        groups=settings.groups,
        sigalgs=settings.sigalgs,
        application=steps.first_step(app, settings),
        timeouts=settings.timeouts,
        keep_records=settings.keep_records,
    )

"""``mtls credentials``: credentials kept per host and attached by themselves, and CA certificates switched on and off."""

from __future__ import annotations

import os
from typing import Any

import click

from inspector.cli import run
from inspector.cli.output import table_width
from inspector.errors import CredentialError, InputError, UsageError

FILE = click.Path(readable=False)
JSON = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")


@click.group(epilog="Example: mtls credentials add api.bank.example --pfx client.pfx --passphrase-env BANK_PASSPHRASE")
def command() -> None:
    """Credentials kept per host, attached by themselves by every command.

    A host is api.bank.example, *.bank.example:8443, [::1]:8443 or *; without a port it is 443, with :* any. The most specific entry
    counts. Passphrases are never stored, only where they come from.
    """


@command.command("add", epilog="Example: mtls credentials add api.bank.example --cert client.pem --key client.key")
@click.argument("host")
@click.option("--cert", metavar="FILE", type=FILE, help="Client certificate with its chain, or a folder.")
@click.option("--key", metavar="FILE", type=FILE, help="Its private key, where it is not in the same file.")
@click.option("--pfx", metavar="FILE", type=FILE, help="Both in one PKCS#12 file or Java keystore.")
@click.option("--name", help="What to call it. Default: the host.")
@click.option("--replace", is_flag=True, help="Put it in the place of the entry of that name.")
@click.option("--passphrase-env", metavar="NAME", help="Environment variable that will hold the passphrase.")
@click.option("--passphrase-file", metavar="FILE", type=FILE, help="File whose first line is the passphrase.")
@click.option("--passphrase-keyring", is_flag=True, help="Ask for the passphrase now and keep it in the system's keyring.")
@click.option("--passphrase-prompt", is_flag=True, help="Ask for the passphrase each time.")
@run.guarded
def add(host: str, **options: Any) -> int:
    """Keep a credential for HOST. The files stay where they are; they are tried once."""
    from inspector.cli import credential_source
    from inspector.store.file import default_path, load, save
    from inspector.store.pattern import parse_pattern
    from inspector.store.rules import StoredCredential

    if bool(options["cert"]) == bool(options["pfx"]) or (options["key"] and options["pfx"]):
        raise UsageError("a credential is --cert with --key, or --pfx", hint="give one or the other")
    pattern, path = parse_pattern(host), default_path()
    name = options["name"] or str(pattern)
    cert, key, pfx = (_whole(options[item]) if options[item] else None for item in ("cert", "key", "pfx"))
    entry = StoredCredential(name, pattern, cert, key, pfx, _source(options, name))
    store = load(path).with_credential(entry, replace=options["replace"])
    if options["passphrase_keyring"]:
        _keep_in_keyring(name)
    _try(entry, credential_source)
    save(path, store)
    run.say(f"'{name}' is kept for {pattern} in {path}")
    return 0


def _whole(path: str) -> str:
    """The path as it is kept: from the root on. Raises InputError where that cannot be known."""
    try:
        return os.path.abspath(path)
    except OSError as exc:
        raise InputError(
            f"'{path}' is in a folder that is gone: {exc.strerror}", kind="file-unreadable", hint="change to a folder that exists",
        ) from exc


def _source(options: dict[str, Any], name: str) -> Any:
    from inspector.store.rules import PassphraseSource

    given = [
        (kind, value) for kind, value in (
            ("env", options["passphrase_env"]),
            ("file", _whole(options["passphrase_file"]) if options["passphrase_file"] else None),
            ("keyring", name if options["passphrase_keyring"] else None),
            ("prompt", "" if options["passphrase_prompt"] else None),
        ) if value is not None
    ]
    if len(given) > 1:
        raise UsageError("several sources for one passphrase", hint="give one of the --passphrase options")
    return PassphraseSource(*given[0]) if given else None


def _keep_in_keyring(name: str) -> None:
    from inspector.cli import credential_source

    library = credential_source.keyring()
    value = credential_source.prompt(f"'{name}'")
    if value is None:
        raise UsageError("there is no terminal to ask for the passphrase on", hint="run it in a terminal")
    try:
        library.set_password(credential_source.KEYRING_SERVICE, name, value.decode())
    except library.errors.KeyringError as exc:
        raise InputError("the keyring cannot be written", kind="file-unwritable", hint="unlock it and try again") from exc


def _try(entry: Any, credential_source: Any) -> None:
    """Load the credential once, so that a mistake shows now; a passphrase that is not there now is no mistake."""
    try:
        credential_source.load_paths(entry.paths, credential_source.passphrase_of(entry))
    except CredentialError as exc:
        if exc.kind != "passphrase-needed":
            raise
        run.say(f"not tried: {exc.message}" + ("; it is asked for at each use" if entry.passphrase is None else ""))


@command.command("list", epilog="Example: mtls credentials list")
@JSON
@run.guarded
def list_(as_json: bool) -> int:
    """All entries, with the expiry date of each certificate."""
    from inspector.cli.credential_list import rows, table
    from inspector.store.file import default_path, load

    path = default_path()
    entries = rows(load(path))
    if as_json:
        _write_json({"store": path, "credentials": entries})
    elif entries:
        run.write_text(table(entries, table_width()))
    else:
        run.say(f"nothing is kept in {path}")
    return 0


@command.command("remove", epilog="Example: mtls credentials remove bank")
@click.argument("name")
@run.guarded
def remove(name: str) -> int:
    """Forget the entry NAME. Its files stay where they are."""
    from inspector.store.file import default_path, load, save

    path = default_path()
    save(path, load(path).without_credential(name))
    run.say(f"'{name}' is forgotten; its files are where they were")
    return 0


@command.command("explain", epilog="Example: mtls credentials explain https://api.bank.example/")
@click.argument("url")
@JSON
@run.guarded
def explain(url: str, as_json: bool) -> int:
    """Which credential and which CAs are used for URL, and why: every rule, hit or miss."""
    from inspector.cli.credential_list import explanation
    from inspector.store.file import default_path, load
    from inspector.target import parse_target

    target, path = parse_target(url), default_path()
    if target.unix_path is not None:
        raise UsageError("nothing is kept for sockets in the file system", hint="name a host or a URL")
    store = load(path)
    rules = store.explain(target.host, target.port)
    if as_json:
        _write_json({
            "store": path, "host": target.host, "port": target.port,
            "chosen": next((rule.credential.name for rule in rules if rule.chosen), None),
            "rules": [
                {"name": rule.credential.name, "host": str(rule.credential.pattern), "hit": rule.ruling.hit, "chosen": rule.chosen,
                 "why": rule.ruling.why} for rule in rules
            ],
            "authorities": [
                {"name": ca.name, "on": ca.on, "used": ca.on and ca.covers(target.host, target.port)} for ca in store.authorities
            ],
        })
    else:
        run.write_text(explanation(store, target.host, target.port, run.output_from({}).width))
    return 0 if any(rule.chosen for rule in rules) else 1


@command.command("import", epilog="Example: mtls credentials import bruno.json")
@click.argument("file", type=FILE)
@click.option("--format", "format_", type=click.Choice(["postman", "insomnia", "bruno",
"kubeconfig"]), help="Default: told by its contents.")
@run.guarded
def import_(file: str, format_: str | None) -> int:
    """Take over client certificates from a file of Postman, Insomnia or Bruno, or from a kubeconfig."""
    from inspector.store.file import default_path, load, save
    from inspector.store.imports import MAX_FILE, import_file

    try:
        with open(file, "rb") as opened:
            data = opened.read(MAX_FILE + 1)
    except OSError as exc:
        raise InputError(
            f"cannot read '{file}': {exc.strerror or 'input/output error'}", kind="file-unreadable", hint="check the path",
        ) from exc
    path = default_path()
    outcome = import_file(load(path), file, data, format_)
    save(path, outcome.store)
    for name in outcome.added:
        click.echo(_safe(name))
    for note in outcome.notes:
        run.say(_safe(note))
    return 0


@command.group("ca", epilog="Example: mtls credentials ca add bank-root.pem")
def ca() -> None:
    """CA certificates to trust beside the system's, for all hosts or for some."""


@ca.command("add", epilog="Example: mtls credentials ca add bank-root.pem --host api.bank.example")
@click.argument("file", type=FILE)
@click.option("--name", help="What to call it. Default: the file's name.")
@click.option("--host", "hosts", multiple=True, metavar="HOST", help="Only for these hosts. Repeatable.")
@run.guarded
def ca_add(file: str, name: str | None, hosts: tuple[str, ...]) -> int:
    """Trust the CA certificates in FILE from now on."""
    from inspector.cli.credential_source import note_files_without_authority, read_authorities
    from inspector.store.file import default_path, load, save
    from inspector.store.pattern import parse_pattern
    from inspector.store.rules import StoredAuthority

    count = len(read_authorities(file))
    path, called = default_path(), name or os.path.basename(file)
    entry = StoredAuthority(called, _whole(file), tuple(map(parse_pattern, hosts)))
    save(path, load(path).with_authority(entry))
    note_files_without_authority([file])
    run.say(f"'{called}' is on: {count} certificate{'s' if count != 1 else ''} for {', '.join(hosts) or 'all hosts'}")
    return 0


def _switch(name: str, *, on: bool) -> int:
    from inspector.store.file import default_path, load, save

    path = default_path()
    save(path, load(path).switched(name, on=on))
    run.say(f"'{name}' is {'on' if on else 'off'}")
    return 0


@ca.command("on", epilog="Example: mtls credentials ca on bank-root.pem")
@click.argument("name")
@run.guarded
def ca_on(name: str) -> int:
    """Trust the CA NAME again."""
    return _switch(name, on=True)


@ca.command("off", epilog="Example: mtls credentials ca off bank-root.pem")
@click.argument("name")
@run.guarded
def ca_off(name: str) -> int:
    """Do not trust the CA NAME for now."""
    return _switch(name, on=False)


@ca.command("remove", epilog="Example: mtls credentials ca remove bank-root.pem")
@click.argument("name")
@run.guarded
def ca_remove(name: str) -> int:
    """Forget the CA NAME. Its file stays where it is."""
    from inspector.store.file import default_path, load, save

    path = default_path()
    save(path, load(path).without_authority(name))
    run.say(f"'{name}' is forgotten")
    return 0


@ca.command("list", epilog="Example: mtls credentials ca list")
@JSON
@run.guarded
def ca_list(as_json: bool) -> int:
    """All CAs that are kept, on or off, with their expiry dates."""
    from inspector.cli.credential_list import authority_rows, authority_table
    from inspector.store.file import default_path, load

    path = default_path()
    entries = authority_rows(load(path))
    if as_json:
        _write_json({"store": path, "authorities": entries})
    elif entries:
        run.write_text(authority_table(entries, table_width()))
    else:
        run.say(f"no CA is kept in {path}")
    return 0


def _safe(text: str) -> str:
    from inspector.report.escape import terminal

    return terminal(text)


def _write_json(document: dict[str, Any]) -> None:
    import json

    from inspector.report.escape import json_text
    from inspector.report.model import SCHEMA
    from inspector.version import __version__

    head = {"schema": SCHEMA, "command": "credentials", "tool": {"version": __version__, "openssl": None}}
    run.write(json_text(json.dumps(head | document, ensure_ascii=False)).encode() + b"\n")



"""What of ``mtls request`` is looked at before anything is sent: what cannot work in the end must not begin."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from inspector.cli import options as common
from inspector.cli import road_options
from inspector.errors import InputError, UsageError
from inspector.session.settings import Settings


def check_all(urls: tuple[str, ...], options: dict[str, Any]) -> None:
    """Raises UsageError or InputError where one of the URLs, or the receipt, cannot come to its end."""
    from inspector.app import http_rules
    from inspector.app.http_message import Request

    for url in urls:
        target = common.target_from(url, options.get("starttls"))
        http_rules.check(Request("GET", "host", target.url_path or "/"))
    check_receipt(options)


def check_receipt(options: dict[str, Any]) -> None:
    """A receipt that cannot be written is found before the request has gone out. What is there already stays."""
    path = options["receipt"]
    if path is None or path == "-":
        return
    if options["raw"]:
        raise UsageError("--receipt is about HTTP exchanges, and --raw makes none", hint="leave one of them out")
    try:
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            os.close(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK))
        else:
            os.unlink(path)
    except OSError as exc:
        raise InputError(f"cannot write '{path}': {exc.strerror}", kind="file-unwritable",
                         hint="check the path and its permissions; nothing was sent") from exc


def road_to(options: dict[str, Any]) -> Callable[[Settings], Settings]:
    """Puts into the settings for another host, where a redirect leads, what the options say of the road to it."""

    def follow(settings: Settings) -> Settings:
        place = common.parse_connect_to(options["connect_to"], settings.target, only_named=True)
        return road_options.with_road(settings._replace(connect_to=place), options)

    return follow

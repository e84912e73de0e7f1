"""``--as``: the command or program that does the same with other tools.

Secrets are never written into it: an environment variable stands for each, and a comment says which. What a tool cannot do, or
cannot do in this form, is said in a comment, not dropped. Everything that was typed is quoted for the language that it is put into.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from inspector.app import http_rules
from inspector.cli import equivalent_commands, equivalent_java, equivalent_programs
from inspector.cli.equivalent_wanted import Wanted
from inspector.cli.request_message import request_for
from inspector.cli.request_options import url_path

# tool -> who writes its text, and how a comment begins there
TOOLS: dict[str, tuple[Callable[[Wanted], str], str]] = {
    "curl": (equivalent_commands.curl, "#"), "openssl": (equivalent_commands.openssl, "#"),
    "python": (equivalent_programs.python, "#"), "go": (equivalent_programs.go, "//"), "java": (equivalent_java.java, "//"),
}


def equivalent(tool: str, urls: tuple[str, ...], options: dict[str, Any]) -> bytes:
    """The text, which may hold any byte that was typed."""
    make, comment = TOOLS[tool]
    wanted = Wanted(urls, options)
    if not options["raw"]:  # what we would not send is not to be sent by others
        http_rules.check(request_for(wanted.draft._replace(content=None), wanted.authority, url_path(urls[0], options)))
    text = make(wanted)
    notes = "".join(f"{comment} {note}\n" for note in wanted.notes)
    return (notes + text + "\n").encode("utf-8", "surrogateescape")

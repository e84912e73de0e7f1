"""``python -m inspector`` is ``mtls``, and the ``mtls`` script begins here. Nothing is imported before Ctrl-C is understood."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Run ``mtls``. Ctrl-C while it is still being loaded ends it like any other: exit 130, and no traceback."""
    gc.disable()  # loading makes much and throws nothing away; cli.main collects again
    try:
        from inspector.cli.main import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(_interrupted(sys.argv[1:]))


def _interrupted(arguments: list[str]) -> int:
    """The exit code; with --json the document is there all the same."""
    if "--json" in arguments:
        import signal

        signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends now
        from inspector.cli.main import interrupted

        return interrupted(arguments)
    return 130


if __name__ == "__main__":
    main()

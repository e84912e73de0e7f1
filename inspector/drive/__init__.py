"""The one driver: sockets, name resolution, deadlines and the selectors loop."""

from __future__ import annotations

from inspector.drive.jobs import Interrupted, Job, run, run_many

__all__ = ["Interrupted", "Job", "run", "run_many"]

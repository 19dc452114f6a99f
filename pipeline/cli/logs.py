"""The service's log: what libraries and pages report, as lines on standard error with the time in front."""

from __future__ import annotations

import logging
import sys

import structlog


def write_logs(level: int = logging.WARNING, *, requests: bool = False) -> None:
    """Send everything from `level` up to standard error, and with `requests` a line for each that is answered; asked
    twice, it does so once."""
    formatter = structlog.stdlib.ProcessorFormatter(
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            structlog.processors.LogfmtRenderer(key_order=["time", "level", "logger", "event"]),
        ],
        foreign_pre_chain=[
            structlog.stdlib.add_log_level, structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    handler.set_name("broadsheet")
    root = logging.getLogger()
    root.handlers = [h for h in root.handlers if h.get_name() != "broadsheet"] + [handler]
    root.setLevel(level)
    logging.getLogger("pipeline.web.access").setLevel(logging.INFO if requests else level)

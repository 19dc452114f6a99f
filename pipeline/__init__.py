"""Broadsheet: collect once, publish to feed readers and inboxes."""

__version__ = "0.1.0"

"""Pictures of a letter as people see it: light, dark, on a phone, without images.

    html | a page that Chromium can't leave, with pictures from `answers` only | one PNG for each view

Nothing goes over the network: the page and its pictures are handed to Chromium as answers to its own requests, and
what is not answered fails. No script runs. A picture shows the whole letter; one too tall for Chromium to draw is
drawn smaller.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.desk.chromium import Tab, find, opened
from pipeline.errors import UsageError

Answers = Callable[[str], bytes | None]
"""A requested address -> the picture that lies there, or None: it is blocked."""

SECONDS = 60.0
"""For all of it, from starting Chromium on."""

TALLEST = 16_000
"""Pixels of a picture's height: beyond 16,384 Chromium repeats or leaves out."""

PAGE = "http://letter.invalid/"
"""Where the letter lies for Chromium. Not https: from there pictures of a site on plain http would not load."""

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; sandbox; img-src "


@dataclass(frozen=True, slots=True)
class Shot:
    """One way to look at a letter. Sizes are CSS pixels."""

    name: str                 # of the file, without .png
    width: int = 1000
    height: int = 900         # of the window; the picture is as tall as the letter
    dark: bool = False
    images: bool = True
    phone: bool = False       # lays out as phones do
    scale: float = 1.0        # device pixels for each CSS pixel
    most_height: int = 0      # what is below is cut off; 0: nothing


SHOTS = (
    Shot("light"),
    Shot("dark", dark=True),
    Shot("phone", width=390, height=844, phone=True, scale=2),
    Shot("phone-dark", width=390, height=844, phone=True, scale=2, dark=True),
    Shot("no-images", images=False),
)


def nothing(_address: str) -> None:
    """The answers of somebody who has no pictures."""


def take(
    html: str, out: Path, *, answers: Answers = nothing, shots: Sequence[Shot] = SHOTS, seconds: float = SECONDS
) -> list[Path]:
    """Write one PNG for each of `shots` into the folder `out`, which is made where it is missing.

    Raises UsageError where there is no Chromium, or `out` can't be written; BroadsheetError where Chromium fails or
    is not done in time. Whatever happens, Chromium is ended and its profile removed.
    """
    path = find()
    paths = []
    with opened(path, seconds=seconds) as tab:
        page = _Page(tab, html, answers)
        for shot in shots:
            data = page.picture(shot)
            try:
                out.mkdir(parents=True, exist_ok=True)
                (out / f"{shot.name}.png").write_bytes(data)
            except OSError as error:
                raise UsageError(str(out), f"can't be written: {(error.strerror or '').lower()}") from error
            paths.append(out / f"{shot.name}.png")
    return paths


class _Page:
    """A letter in a tab."""

    def __init__(self, tab: Tab, html: str, answers: Answers) -> None:
        self._tab = tab
        self._html = b64encode(html.encode("utf-8", "replace")).decode()
        self._answers = answers
        self._images = True
        self._loaded: set[str] = set()
        tab.on["Fetch.requestPaused"] = self._answer
        tab.on["Page.lifecycleEvent"] = self._happened
        tab.call("Page.enable")
        tab.call("Page.setLifecycleEventsEnabled", enabled=True)
        tab.call("Emulation.setScriptExecutionDisabled", value=True)
        tab.call("Fetch.enable", patterns=[{"urlPattern": "*"}])

    def picture(self, shot: Shot) -> bytes:
        """PNG bytes."""
        self._images = shot.images
        scheme = "dark" if shot.dark else "light"
        self._tab.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self._size(shot, shot.scale)
        loader = self._tab.call("Page.navigate", url=PAGE)["loaderId"]
        self._tab.until(lambda: loader in self._loaded)
        height = self._tab.call("Page.getLayoutMetrics")["cssContentSize"]["height"]
        height = min(height, shot.most_height or height)
        if height * shot.scale > TALLEST:
            self._size(shot, TALLEST / height)
        area = {"x": 0, "y": 0, "width": shot.width, "height": height, "scale": 1}
        taken = self._tab.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=area)
        return b64decode(taken["data"])

    def _size(self, shot: Shot, scale: float) -> None:
        self._tab.call("Emulation.setDeviceMetricsOverride", width=shot.width, height=shot.height,
                       deviceScaleFactor=scale, mobile=shot.phone)

    def _happened(self, event: dict[str, Any]) -> None:
        if event["name"] == "load":
            self._loaded.add(event["loaderId"])

    def _answer(self, asked: dict[str, Any]) -> None:
        """The letter, a picture that is known, or nothing."""
        address = asked["request"]["url"]
        if address == PAGE:
            pictures = "http: https: data:" if self._images else "'none'"
            headers = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": POLICY + pictures}
            self._fulfill(asked, self._html, headers)
        elif asked["resourceType"] == "Image" and (data := self._answers(address)) is not None:
            self._fulfill(asked, b64encode(data).decode(), {})
        else:
            # A document that is aborted leaves the letter where it is; one that is blocked would show an error page.
            reason = "Aborted" if asked["resourceType"] == "Document" else "BlockedByClient"
            self._tab.send("Fetch.failRequest", requestId=asked["requestId"], errorReason=reason)

    def _fulfill(self, asked: dict[str, Any], body: str, headers: dict[str, str]) -> None:
        listed = [{"name": name, "value": value} for name, value in headers.items()]
        self._tab.send("Fetch.fulfillRequest", requestId=asked["requestId"], responseCode=200, body=body,
                       responseHeaders=listed)

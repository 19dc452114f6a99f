"""`/i/{name}`: a picture of ours, as mails and pages show it. Whoever has the name may have the picture."""

from __future__ import annotations

import os
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from pipeline.model.pictures import is_name, media_type
from pipeline.web.answers import FOR_EVER, Content, Missing, keep
from pipeline.web.site import Site


def picture(site: Site, request: Request) -> Response:
    """The name follows from the bytes: so it may be kept for ever, and is its own ETag."""
    name = request.path_params["name"]
    body = _read(site.app.picture_folder / name) if is_name(name) else None
    if body is None:
        raise Missing("No such picture", "There is no picture under this address.")
    # a reader of mail in a browser may ask for it from a page of any site
    return keep(request, Content(body, media_type(name), f'"{name}"'), cache=FOR_EVER,
                cross_origin_resource_policy="cross-origin")


def _read(path: Path) -> bytes | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            return file.read() or None
    except OSError:  # not there, a link, a folder
        return None

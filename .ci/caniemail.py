"""Makes pipeline/desk/proof/caniemail.json: what mail programs lack, as caniemail.com knows it.

    npm pack caniemail && tar xzf caniemail-*.tgz
    python .ci/caniemail.py package/data/caniemail.json > pipeline/desk/proof/caniemail.json

What is kept of a feature: what a letter that uses it looks like (`find`), and a letter for each mail program, in the
order of `programs`: y(es), a(lmost), n(o), u(nknown), and "-" where nobody looked.
"""  # noqa: INP001 - a script, not a package

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

LICENCE = "MIT, Copyright (c) 2019 HTeuMeuLeu; see caniemail.LICENSE"

# Features whose slug is not the name of one CSS property.
FIND = {
    "css-at-font-face": "at font-face", "css-at-import": "at import", "css-at-keyframes": "at keyframes",
    "css-at-media": "at media", "css-at-supports": "at supports",
    "css-at-media-device-pixel-ratio": "media -webkit-device-pixel-ratio, media -webkit-min-device-pixel-ratio",
    "css-at-media-hover": "media hover, media any-hover", "css-at-media-orientation": "media orientation",
    "css-at-media-prefers-color-scheme": "media prefers-color-scheme",
    "css-at-media-prefers-reduced-motion": "media prefers-reduced-motion",
    "css-block-inline-size": "property block-size, property inline-size",
    "css-border-radius-logical": "property border-start-start-radius, property border-start-end-radius, "
                                 "property border-end-start-radius, property border-end-end-radius",
    "css-border-inline-block": "property border-inline, property border-block",
    "css-column-layout-properties": "property columns, property column-rule, property column-width",
    "css-conic-gradient": "function conic-gradient", "css-linear-gradient": "function linear-gradient",
    "css-radial-gradient": "function radial-gradient",
    "css-display-flex": "value display flex, value display inline-flex",
    "css-display-grid": "value display grid, value display inline-grid", "css-display-none": "value display none",
    "css-flex-direction": "property flex-direction", "css-flex-wrap": "property flex-wrap",
    "css-function-clamp": "function clamp", "css-function-light-dark": "function light-dark",
    "css-function-max": "function max", "css-function-min": "function min", "css-unit-calc": "function calc",
    "css-gap": "property gap, property column-gap, property row-gap",
    "css-grid-template": "property grid-template, property grid-template-columns, property grid-template-rows, "
                         "property grid-template-areas",
    "css-important": "important",
    "css-left-right-top-bottom": "property left, property right, property top, property bottom",
    "css-margin": "property margin, property margin-top, property margin-right, property margin-bottom, "
                  "property margin-left",
    "css-padding": "property padding, property padding-top, property padding-right, property padding-bottom, "
                   "property padding-left",
    "css-border": "property border, property border-top, property border-right, property border-bottom, "
                  "property border-left",
    "css-margin-block-start-end": "property margin-block-start, property margin-block-end",
    "css-margin-inline-block": "property margin-inline, property margin-block",
    "css-margin-inline-start-end": "property margin-inline-start, property margin-inline-end",
    "css-padding-block-start-end": "property padding-block-start, property padding-block-end",
    "css-padding-inline-block": "property padding-inline, property padding-block",
    "css-padding-inline-start-end": "property padding-inline-start, property padding-inline-end",
    "css-modern-color": "function lch, function oklch, function lab, function oklab",
    "css-rgb": "function rgb", "css-rgba": "function rgba", "css-scroll-snap": "property scroll-snap-type",
    "css-selector-adjacent-sibling": "combinator +", "css-selector-child": "combinator >",
    "css-selector-general-sibling": "combinator ~", "css-selector-attribute": "selector attribute",
    "css-variables": "function var",
    "html-anchor-links": "link #", "html-mailto-links": "link mailto", "html-image-maps": "element map",
    "html-h1-h6": "element h1, element h2, element h3, element h4, element h5, element h6",
    "html-lists": "element ul, element ol, element dl", "html-meta-color-scheme": "meta color-scheme",
    "html-semantics": "element article, element aside, element details, element figcaption, element figure, "
                      "element footer, element header, element main, element mark, element nav, element section, "
                      "element summary, element time",
    "html-srcset": "attribute srcset, attribute sizes", "html-loading-attribute": "attribute loading",
    "html-button-reset": "element button", "html-button-submit": "element button", "html-link": "element link",
    "html-input-checkbox": "element input", "html-input-radio": "element input", "html-input-text": "element input",
    "image-base64": "image data", "image-jpg": "image jpg, image jpeg", "image-tiff": "image tiff, image tif",
    "image-heif": "image heif, image heic", "image-mp4": "image mp4", "image-apng": "image apng",
}
ATTRIBUTES = ("align aria-describedby aria-hidden aria-label aria-labelledby aria-live background cellpadding "
              "cellspacing dir height hidden lang popover required role target valign width").split()
# What can't be told from a letter's HTML, or is there in every one.
NOT_LOOKED_FOR = ("amp bimi css-comments css-display css-font css-hyphenate-limit-chars css-intrinsic-size "
                  "css-nesting css-selector-chaining css-selector-class css-selector-descendant css-selector-grouping "
                  "css-selector-id css-selector-type css-selector-universal css-sytem-ui css-unit-initial "
                  "css-border-inline-block-individual css-border-inline-block-longhand html-body html-comments "
                  "html-doctype html-input-hidden html-input-reset html-input-submit image-hdr").split()


def compact(data: dict[str, Any]) -> dict[str, Any]:
    programs = sorted({(family, platform) for feature in data["data"] for family, platforms in feature["stats"].items()
                       for platform in platforms})
    names = data["nicenames"]
    return {
        "source": "caniemail.com", "date": data["last_update_date"][:10], "licence": LICENCE,
        "programs": [[family, platform.removeprefix(f"{family}-"),
                      f"{names['family'][family]} ({names['platform'][platform]})"] for family, platform in programs],
        "features": {feature["slug"]: {"title": feature["title"].strip(), "find": find, "by": _by(feature, programs)}
                     for feature in data["data"] if (find := _find(feature["slug"]))},
    }


def _find(slug: str) -> list[str]:
    if slug in NOT_LOOKED_FOR:
        return []
    if slug in FIND:
        return FIND[slug].split(", ")
    kind, _, name = slug.partition("-")
    if kind == "image":
        return [f"image {name}"]
    if kind == "html":
        return [f"attribute {name}" if name in ATTRIBUTES else f"element {name}"]
    for start, word in (("pseudo-class-", "pseudo"), ("pseudo-element-", "pseudo"), ("unit-", "unit")):
        if name.startswith(start):
            return [f"{word} {name.removeprefix(start)}"]
    return [f"property {name}"]


def _by(feature: dict[str, Any], programs: list[tuple[str, str]]) -> str:
    """Of each program's versions the newest, which stands last."""
    told = (list(feature["stats"].get(family, {}).get(platform, {"": "-"}).values()) for family, platform in programs)
    return "".join(values[-1][0] for values in told)


def main() -> None:
    made = compact(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    features = made.pop("features")
    lines = ",\n".join(f"  {json.dumps(slug)}: {json.dumps(feature)}" for slug, feature in features.items())
    head = json.dumps(made, indent=1).removesuffix("\n}")
    sys.stdout.write(f'{head},\n "features": {{\n{lines}\n }}\n}}\n')


main()

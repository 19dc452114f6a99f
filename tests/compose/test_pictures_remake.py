"""Pictures of strangers, made small: what is kept of them, and what is refused."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest
from PIL import AvifImagePlugin, Image, ImageCms, ImageDraw

from pipeline.children.pool import Children
from pipeline.compose.pictures.answers import ANSWERS, KIND, LIMITS, PICTURES, Remade
from pipeline.compose.pictures.remake import ANIMATION_BYTES, LARGE_PNG, MOST_PIXELS, MOST_PIXELS_ELSE, remake
from pipeline.errors import ParseError
from pipeline.model.pictures import COLUMN, TALLEST, WIDEST

URL = "https://a.example/x"
RED, BLUE = (200, 30, 30), (30, 30, 200)


def written(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def photo(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """Smooth and noisy at once, as no graphic is."""
    noise = Image.effect_noise((width, height), 40)
    ramp = Image.linear_gradient("L").resize((width, height))
    return Image.merge("RGB", (noise, ramp, ramp.transpose(Image.Transpose.ROTATE_180))).convert(mode)


def made(body: bytes) -> Remade:
    return remake(body, url=URL, widest=WIDEST, tallest=TALLEST)


def seen(one: Remade) -> Image.Image:
    image = Image.open(BytesIO(one.data))
    image.load()
    assert image.size == (one.width, one.height)
    assert {"JPEG": "jpg", "PNG": "png", "GIF": "gif"}[image.format or ""] == one.ending
    return image


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_bomb(width: int, height: int) -> bytes:
    """A valid PNG of one colour: a megabyte or less that unpacks to gigabytes."""
    packer = zlib.compressobj(9)
    row = bytes(1 + width // 8)
    data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


# --- what is made ---


def test_a_photo_is_a_progressive_jpeg_of_twice_the_column() -> None:
    one = made(written(photo(3000, 2000), "JPEG", quality=95))
    image = seen(one)
    assert (one.ending, image.size, image.info.get("progressive")) == ("jpg", (WIDEST, 704), 1)
    assert len(one.data) < 500_000


def test_a_small_one_is_not_made_larger() -> None:
    assert seen(made(written(photo(300, 200), "WEBP"))).size == (300, 200)


def test_a_tall_one_fits_too() -> None:
    assert seen(made(written(Image.new("L", (1000, 12_000)), "PNG"))).size == (352, TALLEST)


def test_a_graphic_of_few_colours_is_a_png_to_the_pixel() -> None:
    graphic = Image.new("RGB", (400, 300), "white")
    ImageDraw.Draw(graphic).line((0, 0, 399, 299), RED, 3)
    one = made(written(graphic, "PNG"))
    assert one.ending == "png"
    assert seen(one).mode == "P"
    assert seen(one).convert("RGB").tobytes() == graphic.tobytes()


def test_a_photo_that_came_as_png_is_a_jpeg() -> None:
    assert made(written(photo(600, 400), "PNG")).ending == "jpg"


def test_what_is_seen_through_stays_so() -> None:
    logo = Image.new("RGBA", (200, 100), (0, 0, 0, 0))
    ImageDraw.Draw(logo).ellipse((20, 20, 80, 80), (*RED, 255))
    for body in (written(logo, "PNG"), written(logo, "WEBP", lossless=True),
                 written(logo.quantize(8), "PNG"), written(logo, "GIF")):
        image = seen(made(body)).convert("RGBA")
        assert image.getpixel((1, 1))[3] == 0
        assert image.getpixel((50, 50))[3] == 255
        assert image.getpixel((50, 50))[0] > 150


def test_a_photo_with_holes_gets_a_white_ground() -> None:
    holes = photo(1056, 900)
    holes.putalpha(Image.linear_gradient("L").resize(holes.size))
    body = written(holes, "PNG")
    assert len(body) > LARGE_PNG
    image = seen(made(body))
    assert image.format == "JPEG"
    assert min(image.getpixel((500, 0))) > 230, "nothing is there, so the ground is seen"


def test_an_alpha_channel_that_hides_nothing_goes() -> None:
    whole = photo(300, 300, "RGBA")
    assert made(written(whole, "PNG")).ending == "jpg"


@pytest.mark.parametrize(("image", "kind"), [
    (Image.new("CMYK", (40, 40), (0, 255, 255, 0)), "JPEG"),
    (Image.new("P", (40, 40), 1), "GIF"),
    (Image.new("1", (40, 40), 1), "PNG"),
    (Image.new("LA", (40, 40), (10, 128)), "PNG"),
    (Image.new("I;16", (40, 40), 40_000), "PNG"),
    (Image.new("L", (40, 40), 40), "BMP"),
    (Image.new("RGB", (40, 40), RED), "AVIF"),
])
def test_all_kinds_of_pixels_are_read(image: Image.Image, kind: str) -> None:
    assert seen(made(written(image, kind))).size == (40, 40)


def test_sixteen_bits_keep_their_brightness() -> None:
    assert seen(made(written(Image.new("I;16", (40, 40), 32_768), "PNG"))).convert("L").getpixel((9, 9)) == 128


def test_the_ink_of_a_printed_picture_keeps_its_colour() -> None:
    red = seen(made(written(Image.new("CMYK", (40, 40), (0, 255, 255, 0)), "JPEG"))).convert("RGB").getpixel((9, 9))
    assert red[0] > 200
    assert max(red[1:]) < 90


def test_colours_are_those_that_were_meant() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    same = seen(made(written(Image.new("RGB", (40, 40), RED), "PNG", icc_profile=lab))).convert("RGB")
    assert all(abs(a - b) <= 3 for a, b in zip(same.getpixel((9, 9)), RED, strict=True))
    broken = seen(made(written(Image.new("RGB", (40, 40), RED), "PNG", icc_profile=b"nonsense"))).convert("RGB")
    assert all(abs(a - b) <= 3 for a, b in zip(broken.getpixel((9, 9)), RED, strict=True))
    assert "icc_profile" not in same.info


@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_is_upright_and_nothing_says_where_it_was_taken(orientation: int) -> None:
    """Written as the camera was held, read as it is meant: red is above on the left."""
    upright = Image.new("RGB", (120, 80), BLUE)
    upright.paste(RED, (0, 0, 60, 40))
    turn = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
            5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
            8: Image.Transpose.ROTATE_270}.get(orientation)
    lying = upright if turn is None else upright.transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = "SECRET-PLACE"
    exif.get_ifd(0x8825).update({1: "N", 2: (59.0, 19.0, 47.123)})
    for kind in ("JPEG", "PNG", "WEBP"):
        body = written(lying, kind, exif=exif, **({"comment": b"SECRET-WORD"} if kind == "JPEG" else {}))
        assert b"SECRET-PLACE" in body
        one = made(body)
        image = seen(one)
        assert image.size == (120, 80)
        assert image.convert("RGB").getpixel((10, 10))[0] > 150
        assert image.convert("RGB").getpixel((110, 70))[2] > 150
        assert not {"exif", "comment", "xmp", "icc_profile"} & set(image.info)
        assert dict(image.getexif()) == {}
        assert b"SECRET" not in one.data
        assert b"Exif" not in one.data


def test_a_tall_photo_on_its_side_has_the_width_of_the_column() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert seen(made(written(photo(3000, 2000), "JPEG", exif=exif))).size == (WIDEST, 1584)


# --- what moves ---


def frames(count: int, size: tuple[int, int] = (60, 40)) -> bytes:
    pictures = [Image.new("RGB", size, (n % 256, n // 256, 90)) for n in range(count)]
    return written(pictures[0], "GIF", save_all=True, append_images=pictures[1:], duration=80, loop=0,
                   comment=b"SECRET-WORD")


def test_a_small_animation_stays_one() -> None:
    one = made(frames(12))
    image = seen(one)
    assert (one.ending, image.n_frames, image.info["duration"], image.info["loop"]) == ("gif", 12, 80, 0)
    assert b"SECRET" not in one.data
    assert seen(made(frames(3, (900, 600)))).size == (COLUMN, 352), "it has the size in which it is shown, no more"


def test_of_a_long_or_large_one_the_first_frame_is_left() -> None:
    assert not getattr(seen(made(frames(150))), "is_animated", False)
    large = [photo(900, 700), photo(900, 700), photo(900, 700)]
    body = written(large[0], "GIF", save_all=True, append_images=large[1:])
    assert len(body) > ANIMATION_BYTES
    assert made(body).ending in ("jpg", "png")


def test_a_gif_of_one_frame_does_not_move() -> None:
    assert made(frames(1)).ending in ("jpg", "png")


# --- what is refused ---

SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "a counter of readers": (lambda: written(Image.new("RGB", (1, 1)), "GIF"), "is 1 × 1 pixels"),
    "a spacer": (lambda: written(Image.new("RGB", (400, 2)), "PNG"), "is 400 × 2 pixels"),
    "a bomb": (lambda: png_bomb(30_000, 30_000), "is 30,000 × 30,000 pixels"),
    "a drawing": (lambda: SVG, "SVG"),
    "a page": (lambda: b"<!DOCTYPE html><title>Not found</title>", "is a page"),
    "nothing": (lambda: b"", "is no picture"),
    "words": (lambda: b"not found\n", "is no picture"),
    "half a JPEG": (lambda: written(photo(300, 300), "JPEG")[:9_000], "broken"),
    "half a PNG": (lambda: written(photo(300, 300), "PNG")[:9_000], "broken"),
    "half a WebP": (lambda: written(photo(300, 300), "WEBP")[:3_000], "picture"),
    "PostScript": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is no picture"),
    "TIFF": (lambda: written(photo(30, 30), "TIFF"), "is no picture"),
    "a text of gigabytes in a PNG": (lambda: b"\x89PNG\r\n\x1a\n" + chunk(
        b"IHDR", struct.pack(">IIBBBBB", 9, 9, 8, 0, 0, 0, 0)) + chunk(
        b"zTXt", b"a\0\0" + zlib.compress(bytes(200_000_000), 9)), "broken"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_picture_is_refused_in_words(what: str) -> None:
    make, words = REFUSED[what]
    with pytest.raises(ParseError) as caught:
        made(make())
    assert words in caught.value.cause
    assert caught.value.subject == URL


# --- in a child ---


def test_a_child_does_the_same_and_survives_what_is_bad() -> None:
    """One after the other, so that what a bomb leaves behind would be met by the next."""
    with Children(1, LIMITS, answers=ANSWERS, program=PICTURES) as children:
        def ask(body: bytes) -> Remade:
            return children.work(KIND, URL, body, url=URL, widest=WIDEST, tallest=TALLEST)

        good = written(photo(2400, 1600), "JPEG")
        expected = made(good)
        assert ask(good) == expected
        for make, words in REFUSED.values():
            with pytest.raises(ParseError) as caught:
                ask(make())
            assert words in caught.value.cause
        assert ask(good) == expected
        for body in (written(Image.new("RGB", (40, 40), RED), "AVIF"), written(photo(40, 40), "WEBP"), frames(5)):
            assert ask(body) == made(body), "also those that would like to have threads"


def test_no_decoder_asks_for_threads() -> None:
    """A child that does not run as root can have none."""
    assert AvifImagePlugin.DEFAULT_MAX_THREADS == 1


@pytest.mark.parametrize(("kind", "colour"), [
    ("PNG", (*RED, 90)), ("WEBP", (*RED, 90)), ("AVIF", (*RED, 90)), ("BMP", RED), ("JPEG", RED)])
def test_the_largest_that_is_decoded_fits_into_a_child(kind: str, colour: tuple[int, ...]) -> None:
    side = int(MOST_PIXELS.get(kind, MOST_PIXELS_ELSE) ** 0.5)
    fast = {"WEBP": {"method": 0}, "AVIF": {"speed": 10}}.get(kind, {})
    body = written(Image.new("RGB" if len(colour) == 3 else "RGBA", (side, side), colour), kind, **fast)
    limits = replace(LIMITS, body_bytes=100_000_000)  # a BMP is not packed
    with Children(1, limits, answers=ANSWERS, program=PICTURES) as children:
        assert children.work(KIND, URL, body, url=URL, widest=WIDEST, tallest=TALLEST).width == WIDEST

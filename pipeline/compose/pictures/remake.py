"""Any picture to one that a mail can show: bytes to bytes. Runs in a child process, for the bytes are a stranger's.

    open (a few formats only) | size | decode | upright | fit | sRGB | JPEG or PNG, whichever is smaller

Of a file nothing is kept but what can be seen: EXIF (with the place where it was taken), XMP, comments, colour
profiles and thumbnails go. A small animation stays one; of a large one the first frame is left.
"""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

from PIL import AvifImagePlugin, Image, ImageCms, UnidentifiedImageError

from pipeline.compose.pictures.answers import Remade
from pipeline.errors import ParseError
from pipeline.model.pictures import COLUMN, TINY, fitted

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "BMP")
MOST_PIXELS = {"JPEG": 100_000_000, "WEBP": 12_500_000}
"""Of a picture that is decoded: a JPEG is decoded at a fraction of its size, and WebP's decoder holds it four times."""
MOST_PIXELS_ELSE = 16_000_000
QUALITY = 80
LARGE_PNG = 600_000            # bytes; one that is larger is a photo with holes, and gets a white ground
FRAMES = 100
FRAMES_PIXELS = 20_000_000     # of all frames together
ANIMATION_BYTES = 1_000_000    # of the file that came, and of what is made of it
WHITE = (255, 255, 255)

_ORIENTATION = 0x0112  # Exif 2.32, 4.6.4: how the camera was held
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ON_ITS_SIDE = {_TURNS[5], _TURNS[6], _TURNS[7], _TURNS[8]}
_TROUBLES = (OSError, SyntaxError, ValueError, ArithmeticError, LookupError, TypeError, AttributeError, EOFError,
             struct.error, zlib.error, ImageCms.PyCMSError, Image.DecompressionBombError)
"""What Pillow raises for a file that is not as it should be."""

Image.MAX_IMAGE_PIXELS = None  # we look at the size ourselves, for each format
AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # the process may have no other


def remake(body: bytes, *, url: str, widest: int, tallest: int) -> Remade:
    """Make a picture that fits into so many pixels. Raises ParseError, which names `url`, where it can't be shown."""
    try:
        with Image.open(BytesIO(body), formats=FORMATS) as image:
            refusal = _refusal(image)
            if refusal:
                raise ParseError(url, refusal)
            animation = _animation(image, tallest) if _may_move(image, body) else None
            return animation or _still(image, widest, tallest)
    except _TROUBLES as error:
        raise ParseError(url, _what_it_is(body, error)) from error


def _refusal(image: Image.Image) -> str:
    """By what its head says, before anything is decoded."""
    width, height = image.size
    if min(width, height) <= TINY:
        return f"is {width} × {height} pixels: there is nothing to see"
    if width * height > MOST_PIXELS.get(image.format or "", MOST_PIXELS_ELSE):
        return f"is {width:,} × {height:,} pixels, more than are decoded"
    return ""


def _still(image: Image.Image, widest: int, tallest: int) -> Remade:
    turn = _TURNS.get(_orientation(image))
    size = _target(image, widest, tallest, on_its_side=turn in _ON_ITS_SIDE)
    lossless = image.format in ("PNG", "GIF", "BMP")
    if image.format == "JPEG":
        image.draft(None, (2 * size[0], 2 * size[1]))  # the decoder leaves out what nobody will see
    image.load()
    profile = image.info.get("icc_profile")
    made = _eight_bits(image)
    made = made.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0) if made.size != size else made
    made = _in_srgb(made, profile)
    made = made if turn is None else made.transpose(turn)
    made.info = {}  # whatever is written below, it is not what came along
    if made.mode == "RGBA":
        if made.getchannel("A").getextrema() != (255, 255):
            return _see_through(made)
        made = made.convert("RGB")
    candidates = [Remade("jpg", _written(made, "JPEG", quality=QUALITY, progressive=True, optimize=True), *made.size)]
    if lossless:
        candidates.append(Remade("png", _png(made), *made.size))
    return min(candidates, key=lambda one: len(one.data))


def _target(image: Image.Image, widest: int, tallest: int, *, on_its_side: bool) -> tuple[int, int]:
    """Of the picture as it lies in the file."""
    if on_its_side:
        across, down = fitted(image.height, image.width, widest, tallest)
        return down, across
    return fitted(image.width, image.height, widest, tallest)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except _TROUBLES:
        return 1


def _eight_bits(image: Image.Image) -> Image.Image:
    """L, RGB, RGBA or CMYK."""
    if image.has_transparency_data:
        return image.convert("RGBA")
    if image.mode.startswith(("I", "F")):
        return image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    if image.mode in ("L", "RGB", "CMYK"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Colours as they were meant, without the profile that says so. One that makes no sense is left out."""
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    colours = image.convert("RGB") if alpha else image
    if profile:
        try:
            meant = ImageCms.ImageCmsProfile(BytesIO(profile))
            converted = ImageCms.profileToProfile(colours, meant, ImageCms.createProfile("sRGB"), outputMode="RGB")
            colours = converted or colours
        except _TROUBLES:
            pass
    if colours.mode == "CMYK":
        colours = colours.convert("RGB")
    if alpha:
        colours.putalpha(alpha)
    return colours


def _see_through(image: Image.Image) -> Remade:
    data = _png(image)
    if len(data) <= LARGE_PNG:
        return Remade("png", data, *image.size)
    ground = Image.new("RGB", image.size, WHITE)
    ground.paste(image, mask=image.getchannel("A"))
    return Remade("jpg", _written(ground, "JPEG", quality=QUALITY, progressive=True, optimize=True), *image.size)


def _png(image: Image.Image) -> bytes:
    if image.mode != "L" and (colours := image.getcolors(256)):
        method = Image.Quantize.FASTOCTREE if image.mode == "RGBA" else Image.Quantize.MEDIANCUT
        few = image.quantize(len(colours), method, dither=Image.Dither.NONE)
        if few.convert(image.mode).tobytes() == image.tobytes():
            return _written(few, "PNG", optimize=True)
    return _written(image, "PNG")  # to optimise a photo with holes takes 3 s, and gains a twelfth


def _may_move(image: Image.Image, body: bytes) -> bool:
    return image.format == "GIF" and len(body) <= ANIMATION_BYTES


def _animation(image: Image.Image, tallest: int) -> Remade | None:
    """All frames, or None where there is only one, or where they would be too large."""
    size = fitted(*image.size, COLUMN, tallest)
    frames: list[Image.Image] = []
    durations: list[int] = []
    for number in range(FRAMES + 1):
        try:
            image.seek(number)
        except EOFError:
            break
        if number == FRAMES or (number + 1) * image.width * image.height > FRAMES_PIXELS:
            image.seek(0)
            return None
        frame = image.convert("RGBA" if image.has_transparency_data else "RGB")
        frames.append(frame.resize(size, Image.Resampling.LANCZOS) if frame.size != size else frame)
        frames[-1].info = {}
        durations.append(int(image.info.get("duration", 100)))
    loop = image.info.get("loop")
    image.seek(0)
    if len(frames) < 2:
        return None
    options = {} if loop is None else {"loop": int(loop)}
    data = _written(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=durations, disposal=2,
                    **options)
    return Remade("gif", data, *size) if len(data) <= ANIMATION_BYTES else None


def _written(image: Image.Image, kind: str, **options: object) -> bytes:
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def _what_it_is(body: bytes, error: Exception) -> str:
    """What came instead of a picture, in words."""
    start = body[:1000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in start:
        return "is a drawing (SVG), which mail programs don't show"
    if start.startswith((b"<!doctype html", b"<html")):
        return "is a page, and no picture"
    if isinstance(error, UnidentifiedImageError):
        return "is no picture of a kind that is read"
    return f"is a broken picture: {str(error)[:100] or type(error).__name__}"

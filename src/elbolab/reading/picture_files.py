"""Decoding one picture file with all its levels, as a viewer shows it.

Shapes: H, W = height and width, C = channels.
"""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

UNREAD = ("BUFR", "EPS", "FITS", "GRIB", "HDF5", "IPTC", "MPEG", "WMF")
"""Formats that Pillow knows and does not decode alone, or not to the right values: it ignores the scale of FITS."""
COMPOSITE = ("MPO", "PSD")
"""Formats of several frames, of which the first is the whole picture: photographs with a preview, layers."""
DEEP = re.compile(r"(L|LA|RGB|RGBX|RGBA|RGBa|CMYK);16[BLN]")
"""Pillow's raw modes of 16 bits a channel, of which it hands out the high byte: B, L and N for the order of bytes."""
OTHER_ORDER = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
"""Order of bytes in which the low byte is taken for the high one."""
ORIENTATION, BITS_PER_SAMPLE, PHOTOMETRIC, SAMPLE_FORMAT = 274, 258, 262, 339
"""Numbers of tags of TIFF and EXIF."""
ORIENTED = {
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.swapaxes(0, 1),
    6: lambda x: x[::-1].swapaxes(0, 1),
    7: lambda x: x[::-1, ::-1].swapaxes(0, 1),
    8: lambda x: x[:, ::-1].swapaxes(0, 1),
}
"""How pixels (H, W, ...) of an EXIF orientation are turned upright."""


class UnreadableError(ValueError):
    """A picture that cannot be read, or not without loss; says why and what to do."""


@final
@dataclass(frozen=True)
class Picture:
    """One picture.

    Attributes:
        pixels: grey (H, W) or coloured (H, W, 3), of type bool (1 bit), uint8, uint16 or, where the file has floats,
            float32; white is 1, 255 and 65535.
        stored_in_colour: whether the file has three channels, though all may be equal and ``pixels`` grey.
        transparent: whether parts were transparent, which are shown on white.
    """

    pixels: np.ndarray
    stored_in_colour: bool = False
    transparent: bool = False


@cache
def picture_suffixes() -> frozenset[str]:
    """Suffixes of the files that are read, in lower case."""
    from PIL import Image

    known = Image.registered_extensions()  # loads all of Pillow's formats
    return frozenset(suffix for suffix, kind in known.items() if kind in Image.OPEN and kind not in UNREAD)


def read_picture(path: Path) -> Picture:
    """Decodes a picture and turns it upright; raises `UnreadableError`."""
    with _open(path) as image:
        _check_frames(image)
        return _decode(image, path)


def upright_size(path: Path) -> tuple[int, int]:
    """Width and height of a picture as it is shown; raises `UnreadableError`."""
    with _open(path) as image:
        if image.format == "TIFF":
            image.load()  # turns it upright
        width, height = image.size
        return (height, width) if image.getexif().get(ORIENTATION, 1) >= 5 else (width, height)


@contextmanager
def _open(path: Path) -> Iterator["ImageFile"]:
    """An open picture; whatever is wrong with it becomes an `UnreadableError`.

    It is opened from a file, not a path: Pillow 13 maps an uncompressed TIFF of a path into memory with its width and
    height exchanged where it is to be turned.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with path.open("rb") as file, Image.open(file) as image:
            yield image
    except UnreadableError:
        raise
    except UnidentifiedImageError as error:
        unknown = "it is no picture, or of a kind that Pillow does not know"
        raise UnreadableError(unknown if path.stat().st_size else "it is empty") from error
    except Exception as error:  # each format has its own kinds of errors for files that are cut off
        raise UnreadableError(str(error) or type(error).__name__) from error


def _check_frames(image: "ImageFile") -> None:
    num = getattr(image, "n_frames", 1)  # Pillow defines it only for formats that may have several
    if num > 1 and image.format not in COMPOSITE:
        frame = "frame" if image.mode.startswith(("I", "F")) else "frame.convert('RGB')"
        code = f"numpy.stack([numpy.array({frame}) for frame in PIL.ImageSequence.Iterator(image)])"
        fix = f"save those that are data as pictures of their own, or all as one array by numpy.save('x.npy', {code})"
        raise UnreadableError(f"it holds {num} frames: {fix}")


def _decode(image: "ImageFile", path: Path) -> Picture:
    bits, rawmode = _count_bits(image, path), _find_rawmode(image)
    image.load()
    is_signed = image.format == "TIFF" and 2 in image.tag_v2.get(SAMPLE_FORMAT, (1,))  # type: ignore[attr-defined]
    if is_signed or image.mode == "I" and image.format not in ("PNG", "PPM"):
        fix = "save all pictures as one .npy array of floats, from 0 to 1 where they are grey levels"
        raise UnreadableError(f"its whole numbers, signed or of 32 bits, have no white: {fix}")
    if "transparency" in image.info and (bits > 8 or image.mode.startswith("I")):
        raise UnreadableError("it has a transparent colour of 16 bits: save it with an alpha channel instead")
    if image.mode.startswith("I"):
        picture = Picture(_read_deep_grey(image, bits))
    elif image.mode in ("1", "F"):
        picture = Picture(np.array(image))
    elif bits <= 8:
        picture = _read_bytes(image)
    else:
        picture = _read_deep_colour(rawmode, path)
    turn = ORIENTED.get(image.getexif().get(ORIENTATION, 1), lambda x: x)
    return Picture(turn(picture.pixels), picture.stored_in_colour, picture.transparent)


def _count_bits(image: "ImageFile", path: Path) -> int:
    """Bits of each channel as they are stored."""
    if image.format == "TIFF":
        return max(image.tag_v2.get(BITS_PER_SAMPLE, (1,)))  # type: ignore[attr-defined]
    if image.format == "JPEG2000":
        size = _read_after(b"\xff\x4f\xff\x51", path)  # the markers SOC and SIZ, ISO/IEC 15444-1, A.5.1
        return max((depth & 127) + 1 for depth in size[38::3][: int.from_bytes(size[36:38])])
    if image.format == "AVIF":
        return 10 if _read_after(b"av1C", path)[2] & 0x40 else 8  # high_bitdepth, AV1-ISOBMFF 2.3.3: 10 or 12 bits
    if image.format == "PPM" and image.tile[0].codec_name in ("ppm", "ppm_plain"):
        return image.tile[0].args[1].bit_length()  # type: ignore[index, union-attr]  # the value of white
    return 16 if DEEP.fullmatch(_find_rawmode(image)) else 8


def _find_rawmode(image: "ImageFile") -> str:
    """How Pillow is to unpack the pixels of the file."""
    args = image.tile[0].args if image.tile else ""
    return str(args[0] if isinstance(args, tuple) else args)


def _read_after(marker: bytes, path: Path) -> bytes:
    """What follows a marker in the head of a file."""
    with path.open("rb") as file:
        return file.read(8192).partition(marker)[2]


def _read_deep_grey(image: "ImageFile", bits: int) -> np.ndarray:
    """Grey pixels (H, W) of up to 16 bits."""
    pixels = np.array(image).astype(np.uint16)
    if image.format != "TIFF":
        return pixels
    white = (1 << bits) - 1
    if image.tag_v2.get(PHOTOMETRIC) == 0:  # type: ignore[attr-defined]  # 0 is white
        pixels = white - pixels
    return np.rint(pixels * (65535 / white)).astype(np.uint16)


def _read_bytes(image: "ImageFile") -> Picture:
    """A picture of at most 8 bits a channel."""
    has_alpha = image.has_transparency_data
    if image.mode in ("L", "LA", "La"):
        return _show(np.array(image.convert("LA" if has_alpha else "L")), has_alpha)
    shown = _show(np.array(image.convert("RGBA" if has_alpha else "RGB")), has_alpha)
    return Picture(shown.pixels, shown.stored_in_colour and image.mode not in ("P", "PA"), shown.transparent)


def _read_deep_colour(rawmode: str, path: Path) -> Picture:
    """A picture of 16 bits a channel, of which Pillow unpacks one byte at a time."""
    channels, _, order = rawmode.partition(";16")
    if rawmode == "LA;16B":
        unpacked = _unpack(path, "RGBA")  # grey and alpha, two bytes each
        high, low = unpacked[..., 0::2], unpacked[..., 1::2]
    elif channels in ("RGB", "RGBA") and order in OTHER_ORDER:
        high, low = _unpack(path, rawmode), _unpack(path, f"{channels};16{OTHER_ORDER[order]}")
    else:
        fix = "save it as a PNG of 16 bits, or all pictures as one .npy array of floats from 0 to 1"
        raise UnreadableError(f"Pillow would cut its channels to 8 bits: {fix}")
    return _show(high * np.uint16(256) + low, has_alpha=channels in ("LA", "RGBA"))


def _unpack(path: Path, rawmode: str) -> np.ndarray:
    """Bytes (H, W, C) of a picture in the given raw mode."""
    with _open(path) as image:
        for place, tile in enumerate(image.tile):  # the raw mode is the first or only argument of a decoder
            args: Any = (rawmode, *tile.args[1:]) if isinstance(tile.args, tuple) else rawmode
            image.tile[place] = tile._replace(args=args)
        image.load()
        return np.array(image)


def _show(pixels: np.ndarray, has_alpha: bool) -> Picture:
    """Pixels (H, W) or (H, W, C) on white where they are transparent, and grey where all channels are equal."""
    transparent = False
    if has_alpha:
        pixels, alpha = pixels[..., :-1], pixels[..., -1:]
        white = np.iinfo(pixels.dtype).max
        transparent = bool((alpha < white).any())
        if transparent:
            shade = white - (white - pixels.astype(np.float64)) * (alpha / white)
            pixels = np.rint(shade).astype(pixels.dtype)
    in_colour = pixels.ndim == 3 and pixels.shape[2] == 3
    is_grey = pixels.ndim == 3 and (pixels == pixels[..., :1]).all()
    return Picture(pixels[..., 0] if is_grey else pixels, in_colour, transparent)

"""One picture: levels, colour, orientation and transparency as a viewer shows them."""

import base64
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps, ImageSequence
from tests.reading.picture_writers import RNG, colour, deep, grey, read, refuses, save, write_deep_png, write_tiff

from elbolab.reading.picture_files import picture_suffixes

GREY, COLOUR = grey(8, 16), np.repeat(np.repeat(np.array([[[255, 0, 0], [0, 0, 255]]], np.uint8), 8, 0), 8, 1)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".tiff", ".gif", ".tga", ".pcx", ".jp2", ".pnm", ".PNG"])
@pytest.mark.parametrize("x", [GREY, COLOUR])
def test_formats_without_loss(tmp_path, suffix, x):
    Image.fromarray(x).save(tmp_path / f"a{suffix}")
    assert np.array_equal(read(tmp_path), [x])


@pytest.mark.parametrize(
    ("suffix", "options", "loss"),
    [
        (".webp", {"lossless": True}, 0),
        (".jpg", {"quality": 100, "subsampling": 0}, 3),
        pytest.param(
            ".avif",
            {"quality": 100, "subsampling": "4:4:4"},
            3,
            marks=pytest.mark.skipif(".avif" not in picture_suffixes(), reason="this Pillow is without AVIF"),
        ),
    ],
)
def test_formats_of_photographs(tmp_path, suffix, options, loss):
    Image.fromarray(COLOUR).save(tmp_path / f"a{suffix}", **options)
    assert np.abs(read(tmp_path)[0].astype(int) - COLOUR).max() <= loss


def test_suffixes_are_those_of_pillow_without_what_is_no_picture():
    assert {".png", ".jpg", ".jpeg", ".tif", ".gif", ".ppm", ".jp2"} < picture_suffixes()
    assert not {".h5", ".mpg", ".fits", ".eps", ".pdf", ".npy"} & picture_suffixes()


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_of_16_bits_keeps_its_levels(tmp_path, channels, caplog):
    x = deep(5, 6, channels)
    x[0, 0], x[0, 1] = 0x2000, 0x20FF
    if channels in (2, 4):
        x[..., -1] = 65535
    write_deep_png(tmp_path / "a.png", x)
    found = read(tmp_path)
    assert found.dtype == np.float32
    assert np.array_equal(np.rint(found[0] * 65535), x[..., 0] if channels < 3 else x[..., :3])
    assert "1 of 1 pictures have 16 bits: read as floats, v / 65535, here 0.125 to 0.129" in caplog.text


@pytest.mark.parametrize(("bits", "photometric"), [(16, 1), (16, 0), (12, 1)])
def test_deep_grey_tiff(tmp_path, bits, photometric):
    x = RNG.integers(1 << bits, size=(5, 6, 1))
    write_tiff(tmp_path / "a.tif", x, bits, photometric)
    shade = x[..., 0] / ((1 << bits) - 1)
    assert np.abs(read(tmp_path)[0] - (shade if photometric else 1 - shade)).max() < 0.6 / 65535


@pytest.mark.parametrize("channels", [3, 4])
def test_deep_colour_tiff(tmp_path, channels):
    x = deep(5, 6, channels)
    x[..., 3:] = 65535
    write_tiff(tmp_path / "a.tif", x, photometric=2)
    assert np.array_equal(np.rint(read(tmp_path)[0] * 65535), x[..., :3])


def test_big_endian_tiff(tmp_path):
    x = deep(5, 6)
    Image.fromarray(x.astype(">u2")).save(tmp_path / "a.tif")
    assert (tmp_path / "a.tif").read_bytes()[:2] == b"MM"
    assert np.array_equal(np.rint(read(tmp_path)[0] * 65535), x)


def test_deep_pgm(tmp_path):
    x = RNG.integers(4096, size=(5, 6))
    (tmp_path / "a.pgm").write_bytes(b"P5 6 5 4095\n" + x.astype(">u2").tobytes())
    assert np.abs(read(tmp_path)[0] - x / 4095).max() < 0.6 / 65535


def write_j2k(path: Path) -> None:
    """The head of a JPEG 2000 of 12 bits a channel."""
    Image.fromarray(colour(32, 32)).save(path)
    raw = bytearray(path.read_bytes())
    start = raw.index(b"\xff\x4f\xff\x51") + 42
    raw[start : start + 9 : 3] = bytes([11, 11, 11])
    path.write_bytes(raw)


AVIF_OF_10_BITS = (
    "0000WW^{RQVRmU|00000VRmU|ZE0pPZE0a<O+hh10002%ZDn*}000000000XXk=`10000000000aA{+7000000000000000000004sdC7Z2$lO0"
    "00310016oY;R)#0000)000310RR910RR926951JBme*aC~0YKW&i*H00031000_kZf0cy000000RRADb}%tRZ)|UJ00000YH4tCZ~y=ROKEUpZvX"
    "%Q6lrsCWdHyG000002mk;82mk;85O8UDX#fBK00RmN3IG5A3}JRLLxCVb000006Ju{|a&BX6cmM(b0ssbp0000NX>e^}0000000001009I60)qqq"
    "001m)WMOm?015~=2)}Ov0tS#W78ycg1i%0^2nYa>KgSL06MuEM+qHl"
)
"""8 x 8 pixels, by libavif 1.3, in base 85."""


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.tif", lambda path: write_tiff(path, deep(5, 6, 4), photometric=5)),
        ("a.ppm", lambda path: path.write_bytes(b"P6 6 5 65535\n" + deep(5, 6, 3).tobytes())),
        ("a.jp2", write_j2k),
        ("a.j2k", write_j2k),
        pytest.param(
            "a.avif",
            lambda path: path.write_bytes(base64.b85decode(AVIF_OF_10_BITS)),
            marks=pytest.mark.skipif(".avif" not in picture_suffixes(), reason="this Pillow is without AVIF"),
        ),
    ],
)
def test_colour_that_would_be_cut_to_8_bits_is_refused(tmp_path, name, write):
    write(tmp_path / name)
    refuses(
        tmp_path, f"{name} cannot be read .*: Pillow would cut its channels to 8 bits", "save it as a PNG of 16 bits"
    )


@pytest.mark.parametrize(("bits", "is_signed"), [(32, False), (16, True), (8, True)])
def test_whole_numbers_without_a_white(tmp_path, bits, is_signed):
    write_tiff(tmp_path / "a.tif", deep(5, 6, 1), bits, is_signed=is_signed)
    refuses(tmp_path, "a.tif cannot be read .*: its whole numbers, signed or of 32 bits, have no white: save all")


def test_floats_are_kept(tmp_path):
    x = RNG.normal(size=(5, 6)).astype(np.float32)
    Image.fromarray(x).save(tmp_path / "a.tif")
    assert np.array_equal(read(tmp_path), [x])
    Image.fromarray(grey()).save(tmp_path / "b.png")
    refuses(tmp_path, "b.png: some pictures have floats and others whole numbers: save all alike")


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr"])
def test_colour_spaces(tmp_path, mode):
    image = Image.new("RGB", (6, 5), (255, 0, 0)).convert(mode)
    image.save(tmp_path / "a.tif")
    assert np.abs(read(tmp_path)[0].astype(int) - (255, 0, 0)).max() <= 2


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_orientation_of_a_camera_is_followed(tmp_path, orientation, suffix):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(np.kron(np.array([[0, 80, 160], [240, 40, 120]], np.uint8), np.ones((8, 8), np.uint8)))
    image.save(tmp_path / f"a{suffix}", exif=exif)
    image.getexif()[0x0112] = orientation
    found, expected = read(tmp_path)[0], np.array(ImageOps.exif_transpose(image))
    assert found.shape[:2] == ((16, 24) if orientation < 5 else (24, 16))
    assert np.abs(found.reshape(*expected.shape, -1).mean(-1) - expected).max() < 20


def test_orientation_of_deep_colour(tmp_path):
    x = deep(5, 6, 3)
    write_deep_png(tmp_path / "a.png", x)
    raw = (tmp_path / "a.png").read_bytes()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("L", (1, 1)).save(tmp_path / "exif.png", exif=exif)
    with_exif = (tmp_path / "exif.png").read_bytes()
    (tmp_path / "exif.png").unlink()
    place = with_exif.index(b"eXIf") - 4
    chunk = with_exif[place : place + 12 + int.from_bytes(with_exif[place : place + 4])]
    (tmp_path / "a.png").write_bytes(raw[:33] + chunk + raw[33:])
    assert np.array_equal(np.rint(read(tmp_path)[0] * 65535), np.rot90(x, -1))


@pytest.mark.parametrize("mode", ["LA", "RGBA", "PA", "P"])
def test_opaque_pictures_lose_nothing_but_their_alpha(tmp_path, mode, caplog):
    x = grey() if mode == "LA" else np.array(Image.fromarray(colour()).quantize(16).convert("RGB"))
    image = Image.fromarray(x).convert("P" if mode == "PA" else mode).convert(mode)
    suffix = ".tif" if mode == "PA" else ".png"
    image.save(tmp_path / f"a{suffix}")
    assert np.array_equal(read(tmp_path), [np.array(image.convert("RGB" if mode != "LA" else "L"))])
    assert not caplog.text


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_transparent_pictures_are_shown_on_white(tmp_path, mode, caplog):
    shown = Image.fromarray(grey() if mode == "LA" else colour())
    alpha = Image.fromarray(grey())
    image = shown.copy()
    image.putalpha(alpha)
    found = read(save(tmp_path, a=image))
    white = Image.new(shown.mode, shown.size, "white")
    expected = np.array(Image.composite(shown, white, alpha))
    assert np.abs(found[0].astype(int) - expected).max() <= 1
    assert "1 of 1 pictures are partly transparent, as is" in caplog.text


@pytest.mark.parametrize("mode", ["P", "L", "RGB"])
def test_a_transparent_colour_is_shown_on_white(tmp_path, mode):
    image = Image.new(mode, (6, 5), 7 if mode != "RGB" else (7, 7, 7))
    if mode == "P":
        image.putpalette([0, 255, 0] * 256)
    image.save(tmp_path / "a.png", transparency=7 if mode != "RGB" else (7, 7, 7))
    assert (read(tmp_path) == 255).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_a_transparent_colour_of_16_bits_is_refused(tmp_path, channels):
    write_deep_png(tmp_path / "a.png", deep(5, 6, channels), transparent=0x2000)
    refuses(tmp_path, "a.png cannot be read .*: it has a transparent colour of 16 bits: save it with an alpha channel")


def test_transparency_of_16_bits(tmp_path):
    x = deep(5, 6, 4)
    write_deep_png(tmp_path / "a.png", x)
    alpha = x[..., 3:] / 65535
    expected = alpha * (x[..., :3] / 65535) + 1 - alpha
    assert np.abs(read(tmp_path)[0] - expected).max() < 0.6 / 65535


def animated(path: Path) -> None:
    frames = [Image.fromarray(grey()) for _ in range(3)]
    frames[0].save(path, save_all=True, append_images=frames[1:])


@pytest.mark.parametrize("name", ["a.gif", "a.tif", "a.png", "a.webp"])
def test_several_frames_are_refused(tmp_path, name):
    animated(tmp_path / name)
    refuses(
        tmp_path, f"{name} cannot be read .*: it holds 3 frames", r"numpy.stack\(\[numpy.array\(frame.convert\('RGB'\)"
    )
    with Image.open(tmp_path / name) as image:  # the advice works
        assert len(np.stack([np.array(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)])) == 3


def test_a_photograph_with_a_preview_is_read(tmp_path):
    x = Image.new("L", (16, 8), 99)
    x.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[Image.new("L", (16, 8))])
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.n_frames == 2
    assert (read(tmp_path) == 99).all()


def damage_by_writing(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:2000])


def flip_bytes(path: Path) -> None:
    raw = path.read_bytes()
    path.write_bytes(raw[:900] + bytes(50) + raw[950:])


def cut_off_deep_colour(path: Path) -> None:
    write_deep_png(path, deep(64, 64, 3))
    path.write_bytes(path.read_bytes()[:90])


def link_to_nothing(path: Path) -> None:
    path.unlink()
    os.symlink(path.parent / "absent", path)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (damage_by_writing(b""), "it is empty"),
        (damage_by_writing(b"no picture"), "it is no picture, or of a kind"),
        (cut_off, "image file is truncated"),
        (flip_bytes, "."),
        (cut_off_deep_colour, "."),
        (link_to_nothing, "No such file"),
    ],
)
def test_damaged_pictures_are_named_together(tmp_path, damage, reason):
    save(tmp_path, **{name: Image.fromarray(grey(64, 64)) for name in "abcd"})
    for name in ("b.png", "d.png"):
        damage(tmp_path / name)
    refuses(tmp_path, f"b.png cannot be read as a picture: .*{reason}", "so it is with .*d.png: fix or remove them")


def test_a_decompression_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5 * 6 // 3)
    refuses(save(tmp_path, a=Image.fromarray(grey())), "a.png cannot be read as a picture: .*decompression bomb")


def test_a_wrong_suffix_does_no_harm(tmp_path):
    x = grey()
    Image.fromarray(x).save(tmp_path / "a.bmp")
    (tmp_path / "a.bmp").rename(tmp_path / "a.png")
    assert np.array_equal(read(tmp_path), [x])

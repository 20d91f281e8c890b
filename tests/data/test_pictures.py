"""What the pictures of a folder become together: one size, one depth, grey or coloured."""

import numpy as np
import pytest
import torch
from PIL import Image
from tests.reading.picture_writers import RNG, colour, deep, grey, read, refuses, save, write_deep_png

from elbolab.batch import Support
from elbolab.data import pictures
from elbolab.data.arrays import OwnArrays


@pytest.mark.parametrize(("stored", "event"), [("L", (1, 5, 6)), ("RGB", (3, 5, 6))])
def test_data_of_a_folder(tmp_path, stored, event, agrees):
    x = [grey() if stored == "L" else colour() for _ in range(60)]
    save(tmp_path, **{f"{i:02}": Image.fromarray(row) for i, row in enumerate(x)})
    data = OwnArrays(tmp_path, batch_size=10)
    assert (data.spec.x, data.spec.support, data.spec.levels) == (event, Support.UNIT, 256)
    agrees(data)
    read_rows = sorted(bytes(row) for arrays in data.splits for row in np.ascontiguousarray(arrays.x))
    expected = x if stored == "L" else [np.ascontiguousarray(np.moveaxis(row, 2, 0)) for row in x]
    assert read_rows == sorted(map(bytes, expected))


@pytest.mark.parametrize(("height", "width"), [(3, 5), (5, 3), (3, 3), (1, 4), (4, 1)])
def test_small_sides_are_no_channels(tmp_path, height, width):
    x = [colour(height, width) for _ in range(60)]
    data = OwnArrays(save(tmp_path, **{f"{i:02}": Image.fromarray(row) for i, row in enumerate(x)}), batch_size=10)
    assert data.spec.x == (3, height, width)
    assert {bytes(np.moveaxis(row, 2, 0)) for row in x} == {bytes(row) for part in data.splits for row in part.x}


def test_one_bit_is_binary(tmp_path, agrees):
    bits = RNG.random((60, 5, 6)) < 0.5
    save(tmp_path, **{f"{i:02}": Image.fromarray(row) for i, row in enumerate(bits)})
    assert np.array_equal(read(tmp_path), bits)
    data = OwnArrays(tmp_path, batch_size=10)
    assert data.spec.support is Support.BINARY
    agrees(data)


def test_one_bit_beside_grey_is_black_and_white(tmp_path):
    bits, x = RNG.random((5, 6)) < 0.5, grey()
    assert np.array_equal(read(save(tmp_path, a=Image.fromarray(bits), b=Image.fromarray(x))), [bits * 255, x])


def test_data_of_16_bits_are_of_the_unit_interval(tmp_path, agrees):
    for i in range(60):
        write_deep_png(tmp_path / f"{i:02}.png", deep(5, 6, 3))
    data = OwnArrays(tmp_path, batch_size=10)
    assert (data.spec.x, data.spec.support, data.spec.levels) == ((3, 5, 6), Support.UNIT, None)
    agrees(data)


def test_16_bits_beside_8(tmp_path):
    x, y = deep(5, 6, 1), grey()
    write_deep_png(tmp_path / "a.png", x)
    Image.fromarray(y).save(tmp_path / "b.png")
    assert np.array_equal(read(tmp_path), np.float32([x[..., 0] / 65535, y / 255]))


def test_palette_of_greys_is_grey_and_of_colours_coloured(tmp_path):
    x = grey()
    assert np.array_equal(read(save(tmp_path, a=Image.fromarray(x).convert("P"))), [x])
    y = colour()
    image = Image.fromarray(y).quantize(64)
    found = read(save(tmp_path, a=image, b=Image.fromarray(x).convert("P")))
    assert np.array_equal(found, [np.array(image.convert("RGB")), np.repeat(x[..., None], 3, axis=-1)])


def test_greys_stored_in_colour_are_grey_beside_grey_ones_alone(tmp_path):
    x = grey()
    stored = Image.fromarray(x).convert("RGB")
    assert np.array_equal(read(save(tmp_path, a=stored)), [np.repeat(x[..., None], 3, axis=-1)])
    assert np.array_equal(read(save(tmp_path, a=stored, b=Image.fromarray(x))), [x, x])


@pytest.mark.parametrize("names", [("a", "b"), ("b", "a")])
def test_one_coloured_picture_makes_all_coloured(tmp_path, names, caplog):
    x, y = grey(), colour()
    save(tmp_path, **{names[0]: Image.fromarray(x), names[1]: Image.fromarray(y)})
    found = dict(zip(sorted(names), read(tmp_path), strict=True))
    assert np.array_equal(found[names[0]], np.repeat(x[..., None], 3, axis=-1))
    assert np.array_equal(found[names[1]], y)
    assert f"1 of 2 pictures are grey, as is {tmp_path / names[0]}.png: all are read in colour" in caplog.text


def test_sizes_that_differ_are_counted(tmp_path):
    save(tmp_path, a=Image.new("L", (6, 5)), b=Image.new("L", (6, 5)), c=Image.new("L", (9, 5)))
    (tmp_path / "d.png").write_text("none")
    refuses(
        tmp_path,
        "have 3 sizes: 2 of 6 x 5, as .*a.png; 1 of 9 x 5, as .*c.png; 1 unreadable, as .*d.png",
        r"PIL.ImageOps.fit\(PIL.Image.open\(path\), \(64, 64\)\).save\(path\)",
    )


def test_a_turned_photograph_has_its_upright_size(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("L", (6, 5)).save(tmp_path / "a.jpg", exif=exif)
    Image.new("L", (6, 5)).save(tmp_path / "b.jpg")
    refuses(tmp_path, "1 of 5 x 6, as .*a.jpg; 1 of 6 x 5, as .*b.jpg")


def test_pictures_beyond_memory_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "free_memory", lambda device: 59 if device == torch.device("cpu") else None)
    save(tmp_path, a=Image.fromarray(grey()), b=Image.fromarray(grey()))
    refuses(tmp_path, "2 pictures as large as .*a.png, 6 x 5, take 6e-08 GB, and .* are free: make them smaller, as by")

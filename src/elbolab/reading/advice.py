"""What to do with data that are not read as they are: files of other kinds, and text where numbers belong.

Shapes: a column of a table is (n,).
"""

import re
import warnings
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from elbolab.batch import shorten
from elbolab.reading.labels import FEW
from elbolab.reading.options import write_option
from elbolab.reading.picture_files import picture_suffixes
from elbolab.reading.text_tables import MISSING, read_number

LINES = {
    **dict.fromkeys((".pkl", ".pickle"), "numpy.savez('x.npz', x=numpy.load('{path}', allow_pickle=True))"),
    **dict.fromkeys((".h5", ".hdf5"), "numpy.savez('x.npz', x=h5py.File('{path}')['x'][:])"),
    ".zarr": "numpy.savez('x.npz', x=zarr.open('{path}')['x'][:])",
    **dict.fromkeys((".xlsx", ".xls"), "pandas.read_excel('{path}').to_csv('x.csv', index=False)"),
    ".json": "pandas.read_json('{path}').to_csv('x.csv', index=False)",
    ".jsonl": "pandas.read_json('{path}', lines=True).to_csv('x.csv', index=False)",
    ".arff": "pandas.DataFrame(scipy.io.arff.loadarff('{path}')[0]).to_csv('x.csv', index=False)",
    ".zip": "python -m zipfile -e '{path}' FOLDER",
    ".tar": "tar -xf '{path}'",
    ".gz": "gunzip -k '{path}'",
}
"""By the suffix."""
ANY = "numpy.savez('x.npz', x=x)"
MATLAB = "numpy.savez('x.npz', x=scipy.io.loadmat('{path}')['x']), its first axis the data"
MATLAB_73 = (
    "numpy.savez('x.npz', x=h5py.File('{path}')['x'][:].T), as Matlab 7.3 writes HDF5 with its axes turned round; "
    "list(h5py.File('{path}')) has the names"
)
TORCH = (
    "numpy.savez('x.npz', x=torch.load('{path}', weights_only=False).numpy()), where you trust the file and it is a "
    "tensor; of a data set d, x=d.tensors[0].numpy()"
)
KNOWN = (*LINES, ".mat", ".pt", ".pth")
"""Suffixes of the files that have a line of their own."""

NUMBER = r"[+-]?(\d+([.,]\d+)*|[.,]\d+)"
UNITS = "[$€£¥]|EUR|USD|GBP|CHF|[kmµu]?[gmsVAWlL]|cm|nm|h|hrs?|min|days?|years?|yrs?|[kMG]?(Hz|B|Pa|J)|K|°[CF]?|lbs?|ft"


class Writing(NamedTuple):
    """A way to write numbers that is not read; ``fix`` has code of pandas that makes numbers of the column ``{t}``."""

    pattern: str
    what: str
    fix: str


WRITINGS = [
    Writing(
        r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})([T ]\d{1,2}:\d{2}.*)?",
        "dates",
        "give days since the first one, {t} = (d := pandas.to_datetime({t})).sub(d.min()) / pandas.Timedelta(days=1)",
    ),
    Writing(
        r"\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?",
        "times of day",
        "give hours, {t} = pandas.to_timedelta({t} if {t}.str.count(':').eq(2).all() else {t} + ':00') / "
        "pandas.Timedelta(hours=1)",
    ),
    Writing(NUMBER + r"\s*%", "percentages", "give fractions, {t} = {t}.str.rstrip('% ').astype(float) / 100"),
    Writing(
        r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?",
        "numbers with commas between the thousands",
        "leave out the commas, {t} = {t}.str.replace(',', '').astype(float)",
    ),
    Writing(
        r"[+-]?\d{1,3}(\.\d{3})+(,\d+)?",
        "numbers with points between the thousands",
        "leave these out and write decimals with a point, "
        "{t} = {t}.str.replace('.', '').str.replace(',', '.').astype(float)",
    ),
    Writing(
        r"[+-]?\d{1,3}([ '\u00a0\u202f’]\d{3})+([.,]\d+)?",
        "numbers with gaps between the thousands",
        r"leave these out, {t} = {t}.str.replace(r'[\s\'’]', '', regex=True).str.replace(',', '.').astype(float)",
    ),
    Writing(
        r"[+-]?\d*,\d+",
        "numbers with a decimal comma",
        "write decimals with a point, {t} = {t}.str.replace(',', '.').astype(float)",
    ),
    Writing(
        rf"[$€£¥]\s?{NUMBER}|(EUR|USD|GBP|CHF) {NUMBER}|{NUMBER}\s?({UNITS})",
        "numbers with signs or units",
        r"leave these out, {t} = {t}.str.extract(r'([-+\d.]+)')[0].astype(float)",
    ),
]
"""In this order: the first that fits most cells."""


def advise_on_file(path: Path, kind: str) -> str:
    """What is said behind the name of a file of a kind, its suffix in small letters, that is not read."""
    if kind in picture_suffixes():
        return (
            f" is one picture: give the folder of pictures that it lies in, data.path={path.parent}; many frames of "
            "one file become an array by numpy.save('x.npy', numpy.stack([numpy.array(frame) for frame in "
            f"PIL.ImageSequence.Iterator(PIL.Image.open('{path}'))]))"
        )
    if kind == ".mat":
        line = _advise_on_matlab(path)
    elif kind in (".pt", ".pth"):
        line = _advise_on_torch(path)
    else:
        line = LINES.get(kind, ANY).format(path=path)
    return (
        ": give an .npz or .npy file, a table (.csv, .tsv, .txt, .parquet), or a folder of pictures; from "
        f"{kind or 'this'} by {line}"
    )


def _advise_on_matlab(path: Path) -> str:
    """By the names and shapes of the arrays, where these can be read."""
    with path.open("rb") as file:
        start = file.read(16)
    if start.startswith((b"MATLAB 7.3", b"\x89HDF")):
        return MATLAB_73.format(path=path)
    from scipy.io import whosmat

    try:
        shapes = {name: shape for name, shape, kind in whosmat(path) if kind not in ("struct", "cell", "char")}
    except Exception:  # scipy has many kinds of errors for files that are none
        shapes = {}
    if not shapes:
        return MATLAB.format(path=path)
    x = max(shapes, key=lambda name: prod(shapes[name]))
    first, last = shapes[x][0], shapes[x][-1]
    vectors = {name: max(shape) for name, shape in shapes.items() if name != x and min(shape) == 1}
    is_last = first not in vectors.values() and (last in vectors.values() or len(shapes[x]) == 4 and last > first)
    parts = [f"x=numpy.moveaxis(m['{x}'], -1, 0)" if is_last else f"x=m['{x}']"]
    labels = [name for name, length in vectors.items() if length == (last if is_last else first)]
    parts += [f"y=m['{labels[0]}'].ravel()"] if len(labels) == 1 else []
    found = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
    code = f"m = scipy.io.loadmat('{path}'); numpy.savez('x.npz', {', '.join(parts)})"
    return f"{code}, its first axis the data, of {found}"


def _advise_on_torch(path: Path) -> str:
    """By what the file holds, where it can be read without running what it says."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = torch.load(path, weights_only=True, map_location="cpu")
    except Exception:  # pickles of anything
        return TORCH.format(path=path)
    if isinstance(found, Tensor):
        return f"numpy.savez('x.npz', x=torch.load('{path}').numpy())"
    if not isinstance(found, Mapping | list | tuple):
        return TORCH.format(path=path)
    load = f"d = torch.load('{path}')"
    items = found.items() if isinstance(found, Mapping) else enumerate(found)
    tensors = {repr(key): value for key, value in items if isinstance(value, Tensor) and value.ndim}
    if not tensors:
        return f"{load}; numpy.savez('x.npz', x=...) of what is data in it"
    described = ", ".join(f"{key} {tuple(value.shape)}" for key, value in list(tensors.items())[:5])
    x = max(tensors, key=lambda key: tensors[key].numel())  # taken for the data
    if len(tensors) == len(found) > 1 and all(value.shape == tensors[x].shape for value in tensors.values()):
        values = "d.values()" if isinstance(found, Mapping) else "d"
        return f"{load}; numpy.savez('x.npz', x=torch.stack(list({values})).numpy()) ({described})"
    labels = [key for key, value in tensors.items() if key != x and value.shape == tensors[x].shape[:1]]
    y = f", y=d[{labels[0]}].numpy()" if len(labels) == 1 else ""
    return f"{load}; numpy.savez('x.npz', x=d[{x}].numpy(){y}), where these are the data ({described})"


def advise_on_text(name: str, column: np.ndarray, *, is_wanted: bool) -> str:
    """What is wrong with a column of text where numbers belong, and the ways out, to follow its name.

    A column that is wanted, as a model was trained on numbers of this name, can be nothing else.
    """
    cells = [str(cell) for cell in column]
    known = [i for i, cell in enumerate(cells) if cell.lower() not in MISSING]
    odd = [i for i in known if read_number(cells[i]) is None]
    leave_out = "" if is_wanted else f", or leave it out by {write_option('ignore', [name])}"
    if not known:
        instead = "fill it in" if is_wanted else f"leave it out by {write_option('ignore', [name])}"
        return f"has no value in any row: {instead}"
    values = shorten(list(dict.fromkeys(cells[i] for i in odd)))
    for writing in WRITINGS:
        if sum(re.fullmatch(writing.pattern, cells[i]) is not None for i in odd) > 0.9 * len(odd):
            fix = writing.fix.format(t=f"t[{name!r}]")
            return f"holds {writing.what} ({values}), and data are plain numbers: {fix}{leave_out}"
    if len(odd) <= len(cells) / 2:
        return f"has {cells[odd[0]]!r} in row {odd[0]} (counted from 0), and numbers in others: fix these cells"
    if is_wanted:
        return f"is text ({values}), and this run was trained on numbers of this name: give such"
    if 2 * len(set(cells)) > len(cells) > FEW:
        return f"is text, another one in most rows ({values}): leave it out by {write_option('ignore', [name])}"
    factors, conditions = (write_option(option, [name]) for option in ("factors", "conditions"))
    ways = f"set {write_option('labels', name)}, {factors} or {conditions}{leave_out}, or number it yourself"
    return f"is text ({values}), and data are numbers: {ways}"

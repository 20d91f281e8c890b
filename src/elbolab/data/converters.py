"""The line that makes what can be read of a file that is not read itself."""

import warnings
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

LINES = {
    ".pkl": "numpy.savez('x.npz', x=numpy.load('{path}', allow_pickle=True))",
    ".pickle": "numpy.savez('x.npz', x=numpy.load('{path}', allow_pickle=True))",
    ".h5": "numpy.savez('x.npz', x=h5py.File('{path}')['x'][:])",
    ".hdf5": "numpy.savez('x.npz', x=h5py.File('{path}')['x'][:])",
    ".zarr": "numpy.savez('x.npz', x=zarr.open('{path}')['x'][:])",
    ".xlsx": "pandas.read_excel('{path}').to_csv('x.csv', index=False)",
    ".xls": "pandas.read_excel('{path}').to_csv('x.csv', index=False)",
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


def advise(path: Path, kind: str) -> str:
    """What to do with a file.

    Args:
        path: the file.
        kind: its suffix in small letters.
    """
    if kind == ".mat":
        return _advise_on_matlab(path)
    if kind in (".pt", ".pth"):
        return _advise_on_torch(path)
    return LINES.get(kind, ANY).format(path=path)


def advise_on_picture(path: Path) -> str:
    """What to give instead of one picture."""
    return (
        f"give the folder of pictures that it lies in, data.path={path.parent}; many frames of one file become an "
        "array by numpy.save('x.npy', numpy.stack([numpy.array(frame) for frame in "
        f"PIL.ImageSequence.Iterator(PIL.Image.open('{path}'))]))"
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
        return MATLAB.format(path=path)
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
    load = f"d = torch.load('{path}')"
    if isinstance(found, Tensor):
        return f"numpy.savez('x.npz', x=torch.load('{path}').numpy())"
    if isinstance(found, Mapping):
        return _advise_on_tensors({repr(name): value for name, value in found.items()}, load, "d.values()")
    if isinstance(found, list | tuple):
        return _advise_on_tensors({str(place): value for place, value in enumerate(found)}, load, "d")
    return TORCH.format(path=path)


def _advise_on_tensors(found: dict[str, Any], load: str, everything: str) -> str:
    """A line for tensors by their keys or places, of which the largest is taken for the data.

    Args:
        found: what the file holds, by what stands between the brackets of ``d[...]``.
        load: code that makes ``d``.
        everything: code of all values of ``d``.
    """
    tensors = {key: value for key, value in found.items() if isinstance(value, Tensor) and value.ndim}
    if not tensors:
        return f"{load}; numpy.savez('x.npz', x=...) of what is data in it"
    described = ", ".join(f"{key} {tuple(value.shape)}" for key, value in list(tensors.items())[:5])
    x = max(tensors, key=lambda key: tensors[key].numel())
    if len(tensors) == len(found) > 1 and all(value.shape == tensors[x].shape for value in tensors.values()):
        return f"{load}; numpy.savez('x.npz', x=torch.stack(list({everything})).numpy()) ({described})"
    labels = [key for key, value in tensors.items() if key != x and value.shape == tensors[x].shape[:1]]
    y = f", y=d[{labels[0]}].numpy()" if len(labels) == 1 else ""
    return f"{load}; numpy.savez('x.npz', x=d[{x}].numpy(){y}), where these are the data ({described})"

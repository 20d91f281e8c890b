"""`evaluation.json`: what was measured, with everything needed to trust it.

The schema::

    {split: {quantity: {"value", "stderr", "n", "k", "seed", "dtype", "unit", "better", "headline", "label"}}}

split      ``train``, ``val`` or ``test``.
quantity   its name: ``elbo``, ``rate``, ``distortion``, ``nll``, ``active_units``, ...; one that does not exist for the
           model is absent, never 0 or null.
value      a finite number, or a list of them where the quantity has one a dimension.
stderr     standard error over data, shaped like ``value``; null where the quantity is no mean or rests on one datum.
n          number of data.
k          samples per datum, null where nothing is sampled; of a denoising model's nll those of all its corruptions,
           M K, where M is the k of its dvae_bound.
seed       seed of the noise.
dtype      dtype of the computation: ``float64``, or ``float32, highest matmul``: no factor of a product is rounded.
unit       ``nats``, ``bits/dim``, ``fraction``, ...
better     ``higher`` or ``lower``, null where neither is.
headline   its place in tables, the smallest number first; null where it is shown on demand alone.
label      what people call it, null where its name says it.

The last three are what `elbolab.common.kind` says of the quantity; files that were written before it have none of them,
and are read as elbolab's own measures declare them.
"""

import json
from collections.abc import Mapping
from math import floor, inf, isfinite, log10
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elbolab.common.files import write_atomically
from elbolab.common.kind import label_of
from elbolab.common.text import text_table

if TYPE_CHECKING:  # reading a report takes no torch
    from elbolab.evaluation.quantity import Quantity

Report = dict[str, dict[str, dict]]
"""Split -> name -> quantity, as plain JSON types."""

SPLITS = ("train", "val", "test")

OLDER = ("value", "stderr", "n", "k", "seed", "dtype", "unit")
KEYS = (*OLDER, "better", "headline", "label")


def entries(quantities: Mapping[str, "Quantity"]) -> dict[str, dict]:
    """One split of a report. A quantity that is not finite (the PSNR of a perfect reconstruction) is absent."""
    found = {name: quantity.to_json() for name, quantity in quantities.items() if _is_finite(quantity.value)}
    return {name: entry if _is_finite(entry["stderr"]) else entry | {"stderr": None} for name, entry in found.items()}


def _is_finite(value: object) -> bool:
    """Whether a number, or every number of a list, is finite; None is not."""
    numbers = value if isinstance(value, list) else [value]
    return all(isinstance(number, int | float) and isfinite(number) for number in numbers)


def check_report(report: Mapping) -> None:
    """Raises ValueError, naming the place, where ``report`` leaves the schema at the head of this file."""
    for split, quantities in report.items():
        if split not in SPLITS:
            raise ValueError(f"report: {split!r} is no split; choose from {', '.join(SPLITS)}")
        for name, quantity in quantities.items():
            if fault := _find_fault(quantity):
                raise ValueError(f"report: {split}.{name}: {fault}")


def _find_fault(quantity: Mapping) -> str | None:
    """What is wrong with one quantity, None when nothing is."""
    if not isinstance(quantity, Mapping) or set(quantity) not in (set(KEYS), set(OLDER)):
        return f"must have exactly the keys {', '.join(KEYS)}"
    value, stderr, headline = quantity["value"], quantity["stderr"], quantity.get("headline")
    rules = {
        "value must be a finite number or a list of them": _is_finite(value),
        "stderr must be null or finite and shaped like value": stderr is None
        or _is_finite(stderr)
        and _length_of(stderr) == _length_of(value),
        "n must be a positive whole number": _is_whole(quantity["n"], 1),
        "k must be null or a positive whole number": quantity["k"] is None or _is_whole(quantity["k"], 1),
        "seed must be a whole number": _is_whole(quantity["seed"], 0),
        "dtype and unit must be text": isinstance(quantity["dtype"], str) and isinstance(quantity["unit"], str),
        "better must be null, higher or lower": quantity.get("better") in (None, "higher", "lower"),
        "headline must be null or a whole number": headline is None or _is_whole(headline, 0),
        "label must be null or text": isinstance(quantity.get("label"), str | None),
    }
    return next((rule for rule, holds in rules.items() if not holds), None)


def _length_of(value: object) -> int | None:
    return len(value) if isinstance(value, list) else None


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def read_report(path: Path) -> Report:
    """The report in ``path``; what an older file does not say of its quantities is what their measures declare.

    Raises:
        ValueError: the file holds no report.
    """
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no evaluation report ({error}); remove it and evaluate again") from error
    check_report(report)
    return {
        split: {name: _complete_entry(name, entry) for name, entry in found.items()} for split, found in report.items()
    }


def _complete_entry(name: str, entry: dict[str, Any]) -> dict[str, Any]:
    if "better" in entry:
        return entry
    from elbolab.evaluation.declared import KINDS  # torch: only an older file takes it

    kind = KINDS.get(name)
    return {"better": None, "headline": None, "label": None} | ({} if kind is None else vars(kind)) | entry


def write_report(path: Path, report: Report) -> Report:
    """Writes ``report`` and returns what the file then holds.

    A split that is in ``report`` replaces that split of an existing file whole, so that no number of an older
    evaluation stays among newer ones; splits that are not in ``report`` are kept. The file appears whole or not at all,
    and the same report gives the same bytes.

    Raises:
        ValueError: ``report`` leaves the schema, or the existing file holds no report.
    """
    check_report(report)
    merged = (read_report(path) if path.exists() else {}) | report
    write_atomically(path, json.dumps(merged, indent=2, sort_keys=True, allow_nan=False) + "\n")
    return merged


def table(report: Report, details: Mapping[str, str] | None = None) -> str:
    """A short table for people: a row for each headline, ``nll, K=500 [nats]``, and a column for each split.

    What is absent from a split is a dash there; ``details`` (wall-clock, images/s) come last.
    """
    found = {name: quantity for quantities in report.values() for name, quantity in quantities.items()}
    names = sorted((name for name in found if found[name]["headline"] is not None), key=lambda n: order_of(n, found[n]))
    rows: list[tuple[str, ...]] = [("", *report)]
    for name in names:
        samples = "" if found[name]["k"] in (None, 1) else f", K={found[name]['k']}"
        places = [quantities.get(name) for quantities in report.values()]
        cells = ["-" if place is None else format_value(place["value"], place["stderr"]) for place in places]
        rows.append((f"{label_of(name, found[name]['label'])}{samples} [{found[name]['unit']}]", *cells))
    tables = [text_table(rows), *([text_table(list(details.items()), left=(0, 1))] if details else [])]
    return "\n".join(tables)


def order_of(name: str, quantity: Mapping[str, Any]) -> tuple[float, str]:
    """What tables are sorted by: headlines by their places, then all others by name."""
    return (inf if quantity["headline"] is None else quantity["headline"]), name


def format_value(value: float, stderr: float | None) -> str:
    """``value ± stderr`` with two digits of the standard error, ``value`` with six where there is none.

    Example:
        >>> format_value(-104.2317, 0.0392), format_value(17, None)
        ('-104.232 ± 0.039', '17')
    """
    if not stderr:
        return f"{value:.6g}"
    decimals = max(0, 1 - floor(log10(stderr)))
    return f"{value:.{decimals}f} ± {stderr:.{decimals}f}"

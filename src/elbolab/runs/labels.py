"""What runs are called beside each other: what sets each of them apart from the others."""

from collections import Counter
from collections.abc import Sequence
from math import isfinite
from typing import Any

from elbolab.common.did_you_mean import last_part
from elbolab.common.dotted import flatten
from elbolab.runs.content import SEEDS

MOST_DIFFERENCES = 4
"""Differences that a run's name holds."""

LONG = 8
"""Characters of a number that nobody has typed."""

UNNAMED = ("paths", "name", "title", "group", "tags", "resume", "logger", "callbacks", "evaluation")
"""Parts of a configuration that say nothing of the model."""

NULL = "null"
"""A value that is not there, as it is typed."""

Leaves = dict[str, Any]
"""Dotted key -> value."""


def label_runs(configs: Sequence[Any], apart: Sequence[str] = ()) -> list[str]:
    """A name for each run: its variant where variants differ, and the values that differ among runs of one variant.

    ``AE`` and ``VAE``, or ``beta=1`` and ``beta=4``, or ``AE, latent_dim=2``; runs that are the same are numbered.

    Args:
        configs: their configurations.
        apart: parts whose differences are named for all runs, whatever their variants.
    """
    runs = [flatten(config) for config in configs]
    variants = [_value(run, "model") for run in runs]
    parts = _differences([{key: run[key] for key in run if _within(key, apart)} for run in runs])
    words = [
        [*([variant] if len(set(variants)) > 1 else []), *part] for variant, part in zip(variants, parts, strict=True)
    ]
    for variant in set(variants):
        members = [i for i, its_variant in enumerate(variants) if its_variant == variant]
        for i, more in zip(members, _differences([runs[i] for i in members]), strict=True):
            words[i] += more
    names = [", ".join(dict.fromkeys(differences)) for differences in words]
    counts = Counter(names)
    return [name if name and counts[name] == 1 else f"{name} #{i}".strip() for i, name in enumerate(names)]


def _differences(runs: Sequence[Leaves]) -> list[list[str]]:
    """What sets each run apart from the others, ``beta=4`` or ``net=Conv``, once each: the config has copies.

    Of a part that is exchanged, what sets it apart from others of its kind: ``corruption=bit_flip, probability=0.1``.
    """
    differ = _differing(runs)
    exchanged = [key.removesuffix("._target_") for key in differ if key.endswith("._target_")]
    outermost = [part for part in exchanged if not _within(part, exchanged)]
    shared = [key for key in [*outermost, *differ] if not _within(key, outermost)]
    kinds = [tuple(_value(run, part) for part in outermost) for run in runs]
    alike = {kind: [run for run, its in zip(runs, kinds, strict=True) if its == kind] for kind in set(kinds)}
    inside = {kind: [key for key in _differing(kin) if _within(key, outermost)] for kind, kin in alike.items()}
    return [_write(run, [*shared, *inside[kind]]) for run, kind in zip(runs, kinds, strict=True)]


def _write(run: Leaves, keys: Sequence[str]) -> list[str]:
    """Seeds come last, and take no place from what says more; keys without a value are named where no other is."""
    values = {key: _value(run, key) for key in keys}
    pairs = {key: f"{last_part(key)}={value}" for key, value in values.items() if value != NULL}
    others = dict.fromkeys(pair for key, pair in pairs.items() if key not in SEEDS)
    seeds = [pair for key, pair in pairs.items() if key in SEEDS]
    empty = [f"{last_part(key)}={NULL}" for key in values if key in run and key not in SEEDS] if not pairs else []
    return list(dict.fromkeys([*list(others or empty)[:MOST_DIFFERENCES], *seeds]))


def _differing(runs: Sequence[Leaves]) -> list[str]:
    """The keys of the model whose values differ among the runs."""
    keys = dict.fromkeys(key for run in runs for key in run if key.partition(".")[0] not in UNNAMED)
    return [key for key in keys if len({_short(run.get(key)) for run in runs}) > 1]


def _within(key: str, parts: Sequence[str]) -> bool:
    """Whether a key lies inside one of the parts."""
    return any(key.startswith(f"{part}.") for part in parts)


def _value(run: Leaves, key: str) -> str:
    """A value, or the class of a part."""
    target = run.get(f"{key}._target_")
    return _short(run.get(key)) if target is None else last_part(target)


def _short(value: Any) -> str:
    if value is None:
        return NULL
    return f"{value:g}" if isinstance(value, float) else str(value)


def shorten(text: str) -> str:
    """``0.01164`` of ``0.011637963985807364``, which a search has drawn; other text as it is."""
    drawn = len(text) > LONG and "." in text and parse_number(text) is not None
    return f"{float(text):.4g}" if drawn else text


def parse_number(text: str) -> float | None:
    """The number that a text is; None of other text, and of what is not finite."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) else None

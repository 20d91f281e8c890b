"""Mistakes in what a run knows of its data: fingerprints, scaling, and how new data are taken."""

from tests.planting import Mistake

FINGERPRINT, STANDARDISE, UNITS = (
    "tests/data/test_fingerprint.py",
    "tests/data/test_standardise.py",
    "tests/densities/test_data_units.py",
)
NEW, NOTEBOOK, FILES, SAME, ENCODE = (
    "tests/data/test_new_data.py",
    "tests/data/test_new_files.py",
    "tests/data/test_new_files.py",
    "tests/runs/test_same_data.py",
    "tests/cli/test_encode.py",
)

MISTAKES = [
    Mistake("data/fingerprint.py", "ordered.update(rows)", "ordered.update(rows[:1])", FINGERPRINT),
    Mistake(
        "data/fingerprint.py",
        "np.arange(1, 2 * len(columns), 2, dtype=np.uint64) * WEIGHT",
        "np.zeros(len(columns), dtype=np.uint64)",
        FINGERPRINT,
    ),
    Mistake(
        "data/fingerprint.py",
        "np.linspace(0, num - rows, max(2, at_most))",
        "np.linspace(0, num // 2, max(2, at_most))",
        FINGERPRINT,
    ),
    Mistake("data/fingerprint.py", "one != other and", "", FINGERPRINT),
    Mistake("data/fingerprint.py", 'floats if array.dtype.kind == "f" else array.dtype', "array.dtype", FINGERPRINT),
    Mistake(
        "cli/train.py",
        'check_unchanged(run, data, "Put them back, or start a new run")',
        "pass",
        SAME,
    ),
    Mistake("stages/planning.py", "if stage.run.weights.is_file():\n", "if False:\n", SAME),
    Mistake("runs/same_data.py", "if _differ(name, there, here)]", "if False]", SAME),
    Mistake("runs/same_data.py", " and not is_unknown", "", SAME),
    Mistake("runs/same_data.py", "if found and there.scaling != here.scaling:", "if False:", SAME),
    Mistake("data/fingerprint.py", 'parts | {"x": (parts.get("unscaled") or parts["x"])}', "parts", FINGERPRINT),
    Mistake("data/new_data.py", "[*ignored, *ignore], wanted", "ignored, wanted", FILES),
    Mistake("data/new_data.py", "intake.channels, are_new=True", "intake.channels", FILES),
    Mistake("data/new_data.py", 'spec.white is not None and x.dtype.kind == "u"', 'x.dtype.kind == "u"', NEW),
    Mistake("reading/values.py", "part.ndim < 4", "part.ndim < 5", FILES),
    Mistake("data/new_data.py", "for name in wanted], axis=1", "for name in columns], axis=1", NOTEBOOK),
    Mistake("reading/labels.py", "[_name(value) for value in found]", "[str(value) for value in found]", NEW),
    Mistake("runs/same_data.py", 'if found != kept["trained_on"][split]', "", SAME),
    Mistake("data/standardise.py", "mean = total / count", "mean = total / len(arrays)", STANDARDISE),
    Mistake("data/standardise.py", "np.square(_columns(chunk) - mean)", "np.square(_columns(chunk))", STANDARDISE),
    Mistake("data/standardise.py", "np.asarray(rows, np.float64) - shift", "rows.astype('f4') - shift", STANDARDISE),
    Mistake(
        "data/arrays.py", "self._unscaled.train.select(slice(self.train_limit))", "self._unscaled.train", STANDARDISE
    ),
    Mistake("batch.py", "return prod(self.x[1:]) * sum(", "return sum(", UNITS),
    Mistake("batch.py", "return x.double() * scale + shift", "return x.double() * scale - shift", UNITS),
    Mistake(
        "distributions/data_units.py", "log_prob(value) - self.log_scale", "log_prob(value) + self.log_scale", UNITS
    ),
    Mistake("distributions/data_units.py", "log_prob(value) - self.log_scale", "log_prob(value)", UNITS),
    Mistake(
        "densities/checks.py", "made if spec.scaling is None else InDataUnits(made, spec.log_scale)", "made", UNITS
    ),
    Mistake("evaluation/parzen.py", " - densities.spec.log_scale", "", UNITS),
    Mistake("runs/load.py", "return self.spec.restore(show(", "return (show(", ENCODE),
    Mistake(
        "evaluation/figures/drawing.py",
        "(num, *densities.spec.x), densities.spec.restore",
        "(num, *densities.spec.x), lambda x: x",
        ENCODE,
    ),
    Mistake("data/new_data.py", "Arrays(x.astype(np.uint8), levels=spec.levels)", "Arrays(x.astype(np.float64))", NEW),
    Mistake("data/new_data.py", 'values.kind == "integers" and not values.binary and', "not values.binary and", NEW),
    Mistake("data/new_data.py", "is_right, wanted = values.binary,", "is_right, wanted = values.within(1),", NEW),
    Mistake("data/new_data.py", 'values.within(1) and values.kind != "integers"', "values.within(1)", NEW),
    Mistake(
        "data/new_data.py", "values.astype(np.float64) / (spec.given_levels - 1)", "values.astype(np.float64)", NEW
    ),
    Mistake("data/new_data.py", '"last": [last, x]', '"last": [x, last]', NEW),
    Mistake("data/new_data.py", "slice(start, start + size)", "slice(start, start + size - 1)", ENCODE),
    Mistake(
        "data/binarize.py",
        "(grey, np.random.default_rng((seed, 2)))",
        "(grey, np.random.default_rng(seed))",
        NEW,
    ),
    Mistake("data/new_data.py", "[spec.columns.index(column) for column in wanted]", "list(range(len(wanted)))", FILES),
    Mistake("data/new_data.py", 'arrays.given if name == "given" else known.get(name)', "arrays.given", ENCODE),
    Mistake("data/contents.py", "levels = WHITE + 1 if first.given.dtype == np.uint8 else None", "levels = None", NEW),
    Mistake("cli/encode.py", 'cfg.split or "test"\n    data', 'cfg.split or "val"\n    data', ENCODE),
    Mistake("cli/encode.py", "return -importance", "return importance", ENCODE),
    Mistake("cli/encode.py", "cfg.seed) != (None, None)", "cfg.seed) == (1, 1)", ENCODE),
]

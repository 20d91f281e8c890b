"""Mistakes in metrics/."""

from tests.planting import Mistake

FOLDER = "metrics/disentanglement"
DCI, FACTORS, MIG, SAP, VOTING = (
    f"tests/{FOLDER}/test_{name}.py" for name in ("dci", "disentanglement_factors", "mig", "sap", "voting")
)
ACTIVITY, FEW, IMAGES, MATCH, PARETO, PROBES = (
    f"tests/metrics/test_{name}.py" for name in ("activity", "few_labels", "images", "match", "pareto", "probes")
)

MISTAKES = [
    Mistake("metrics/pareto.py", "min(0.2 * num, 3 * sqrt(num))", "0.2 * num", PARETO),
    Mistake("metrics/pareto.py", "weights[:-1] - weights[-1]", "weights[:-1]", PARETO),
    Mistake("metrics/pareto.py", "0.5 * PRIOR_WEIGHT", "PRIOR_WEIGHT", PARETO),
    Mistake("metrics/pareto.py", "x[int(num / 4 + 0.5) - 1]", "x[-1]", PARETO),
    Mistake("metrics/pareto.py", "(log_lik.softmax(0) * theta)", "(log_lik.softmax(0) * theta.mean(0))", PARETO),
    Mistake("metrics/pareto.py", "- shape - 1)", "+ shape - 1)", PARETO),
    Mistake(
        f"{FOLDER}/mig.py", "np.mean(gap(information) / entropies)", "np.mean(gap(information)) / entropies.mean()", MIG
    ),
    Mistake(f"{FOLDER}/mig.py", "num_bins + 1)[1:-1]", "num_bins)[1:-1]", MIG),
    Mistake(
        f"{FOLDER}/mig.py",
        "entropy(np.bincount(v)) for v in labels.T",
        "np.log(len(np.bincount(v))) for v in labels.T",
        MIG,
    ),
    Mistake(f"{FOLDER}/mig.py", "- entropy(joint.ravel())", "- entropy(joint.ravel(), base=2)", MIG),
    Mistake(
        f"{FOLDER}/voting.py",
        "votes = _votes(relative, groups, rng, num_eval, num_data)",
        "rng = numpy_generator('FactorVAE score', seed)\n"
        "    votes = _votes(relative, groups, rng, num_eval := num_train, num_data)",
        VOTING,
    ),
    Mistake(
        f"{FOLDER}/voting.py",
        "np.mean(classifier.predict(eval_x) == eval_k)",
        "np.mean(classifier.predict(train_x) == train_k)",
        VOTING,
    ),
    Mistake(f"{FOLDER}/voting.py", "scale = codes.std(axis=0, ddof=1)", "scale = codes.var(axis=0, ddof=1)", VOTING),
    Mistake(f"{FOLDER}/voting.py", ".var(axis=0).argmin()", ".var(axis=0).argmax()", VOTING),
    Mistake(
        f"{FOLDER}/voting.py",
        "codes[:, scale >= min_std] / scale[scale >= min_std]",
        "codes[:, scale >= min_std]",
        VOTING,
    ),
    Mistake(
        f"{FOLDER}/voting.py",
        "rng.integers(self.counts[values])",
        "rng.integers(self.counts.min(), size=len(rows))",
        VOTING,
    ),
    Mistake(f"{FOLDER}/voting.py", "np.abs(codes[first] - codes[group", "(codes[first] - codes[group", VOTING),
    Mistake(
        f"{FOLDER}/dci.py",
        "concentration(importances), concentration(importances.T)",
        "concentration(importances.T), concentration(importances)",
        DCI,
    ),
    Mistake(f"{FOLDER}/dci.py", "np.sum(rows[used] / total * (1 - spread))", "np.mean(1 - spread)", DCI),
    Mistake(
        f"{FOLDER}/dci.py",
        "model.predict(parts.test_codes) == test_v",
        "model.predict(parts.train_codes) == train_v",
        DCI,
    ),
    Mistake(f"{FOLDER}/dci.py", "np.log(max(2, importances.shape[1]))", "np.log(max(2, importances.shape[0]))", DCI),
    Mistake(
        f"{FOLDER}/factors.py",
        "columns = [column for column in columns if column.max() > 0]",
        "columns = list(columns)",
        FACTORS,
    ),
    Mistake(f"{FOLDER}/factors.py", "return first - second", "return first", FACTORS),
    Mistake(f"{FOLDER}/factors.py", "codes[test], factors[test])", "codes[train], factors[train])", FACTORS),
    Mistake(f"{FOLDER}/sap.py", "(z.T @ v / len(z)) ** 2", "np.abs(z.T @ v / len(z))", SAP),
    Mistake(
        f"{FOLDER}/sap.py", "np.mean(svm.predict(test_z) == test_v)", "np.mean(svm.predict(train_z) == train_v)", SAP
    ),
    Mistake("metrics/activity.py", "correction=0", "correction=1", ACTIVITY),
    Mistake("metrics/activity.py", "threshold: float = 0.01", "threshold: float = 0.1", ACTIVITY),
    Mistake(
        "metrics/activity.py",
        "variance_of_means(means) > threshold",
        "variance_of_means(means).sqrt() > threshold",
        ACTIVITY,
    ),
    Mistake(
        "metrics/classification.py",
        "scores.argmax(-1) != y",
        "scores.argmax(-1) == y",
        "tests/evaluation/test_few_labels.py",
    ),
    Mistake("metrics/few_labels.py", "if folds > 1:", "if folds > 2:", FEW),
    Mistake("metrics/few_labels.py", "(fitted.predict(codes) != labels)", "(fitted.predict(codes) == labels)", FEW),
    Mistake("metrics/few_labels.py", "np.tile(y, num_draws)", "np.repeat(y, num_draws)", FEW),
    Mistake("metrics/few_labels.py", "stratify=y", "stratify=None", FEW),
    Mistake("metrics/few_labels.py", '"n_neighbors": [num_draws, 1, 3 * num_draws]', '"n_neighbors": [1]', FEW),
    Mistake("metrics/images.py", ".square().flatten(1).mean(1)", ".square().flatten(1).sum(1)", IMAGES),
    Mistake("metrics/images.py", ".square().flatten(1).mean(1)", ".abs().flatten(1).mean(1)", IMAGES),
    Mistake("metrics/images.py", "-10 * torch.log10", "-20 * torch.log10", IMAGES),
    Mistake("metrics/images.py", "data_range=1.0", "data_range=255.0", IMAGES),
    Mistake("metrics/match.py", "n * (n - 1)", "n * n", MATCH),
    Mistake("metrics/match.py", "- 2 * _between", "- _between", MATCH),
    Mistake("metrics/match.py", "median_distance(y[:MEDIAN_POINTS])", "median_distance(x[:MEDIAN_POINTS])", MATCH),
    Mistake("metrics/match.py", "kernel.square_().square_()", "kernel.square_()", MATCH),
    Mistake("metrics/match.py", "fill_diagonal_(-inf)", "fill_diagonal_(0)", MATCH),
    Mistake("metrics/match.py", "sums.append(2 * _between(", "sums.append(_between(", MATCH),
    Mistake("metrics/match.py", "torch.stack(sums[::-1])", "torch.stack(sums)", MATCH),
    Mistake("metrics/match.py", "ks_2samp(a, b,", "ks_2samp(a, a,", MATCH),
    Mistake("metrics/parzen.py", "squares).logsumexp(1)", "squares).exp().mean(1)", "tests/evaluation/test_parzen.py"),
    Mistake("metrics/parzen.py", "log(num) + 0.5 * dim", "0.5 * dim", "tests/evaluation/test_parzen.py"),
    Mistake("metrics/parzen.py", "log(2 * pi * scale**2)", "log(2 * pi * scale)", "tests/evaluation/test_parzen.py"),
    Mistake("metrics/probes.py", "make_pipeline(StandardScaler(), ", "make_pipeline(", PROBES),
    Mistake(
        "metrics/probes.py", "probe.predict(test_codes) == test_y", "probe.predict(train_codes) == train_y", PROBES
    ),
    Mistake(
        "metrics/probes.py", "KNeighborsClassifier(min(num_neighbours, len(train_y))", "KNeighborsClassifier(1", PROBES
    ),
    Mistake("metrics/probes.py", "(knn.predict(test_codes) == test_y)", "(knn.predict(test_codes) != test_y)", PROBES),
]

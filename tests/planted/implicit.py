"""Mistakes in adversarial variational Bayes, in regularised autoencoders, and in priors that are fitted afterwards."""

from tests.planting import Mistake

AVB = "tests/models/test_avb.py"
RAE = "tests/models/test_rae.py"
FITTED = "tests/runs/test_fitted_prior.py"
FIT_PRIOR = "tests/cli/test_fit_prior.py"
FOUR_POINTS = "tests/data/test_four_points.py"

MISTAKES = [
    Mistake("models/avb.py", "terms.distortion + self.log_ratio(", "terms.distortion - self.log_ratio(", AVB),
    Mistake(
        "models/avb.py",
        "self.critic, self.posterior_points, self.contrast_points,",
        "self.critic, self.contrast_points, self.posterior_points,",
        AVB,
    ),
    Mistake("models/avb.py", "+ r.log_prob(latent.z) - latent.log_p", "- r.log_prob(latent.z) + latent.log_p", AVB),
    Mistake("models/avb.py", "+ r.log_prob(latent.z) - latent.log_p", "- latent.log_p", AVB),
    Mistake("models/avb.py", "(z - r.mean) / r.stddev", "(z - r.mean) / r.variance", AVB),
    Mistake(
        "models/avb.py",
        "z = standardise(latent.z, normal_of_moments(latent)) if self.adaptive_contrast else latent.z",
        "z = latent.z",
        AVB,
    ),
    Mistake("models/avb.py", "@torch.no_grad()\ndef normal_of_moments", "def normal_of_moments", AVB),
    Mistake("models/avb.py", "draws.mean(0), draws.var(0)", "draws.mean(0), draws.std(0)", AVB),
    Mistake("models/avb.py", "mean, variance = q.mean, q.variance", "mean, variance = q.mean, q.variance.sqrt()", AVB),
    Mistake("models/avb.py", '{"estimated_elbo": -negative_elbo', '{"estimated_elbo": negative_elbo', AVB),
    Mistake("models/avb.py", 'summary(terms, ("distortion",))', "summary(terms)", AVB),
    Mistake("models/checks.py", "if isinstance(latent.q, PointMass):", "if False:", AVB),
    Mistake("models/checks.py", "latent.log_p if is_adaptive else None", "None", AVB),
    Mistake("data/four_points.py", "np.arange(num) % NUM", "np.arange(num) % 3", FOUR_POINTS),
    Mistake("models/rae.py", "return 0.5 * squared_gradient(", "return squared_gradient(", RAE),
    Mistake("models/rae.py", "squared_gradient(signs * mean, z)", "squared_gradient(mean, z)", RAE),
    Mistake("models/rae.py", "z, create_graph=True)", "z, retain_graph=True)", RAE),
    Mistake("models/rae.py", "gradient.flatten(1).square().sum(1)", "gradient.flatten(1).square().mean(1)", RAE),
    Mistake("models/rae.py", "code_norm = 0.5 * z", "code_norm = z", RAE),
    Mistake("models/rae.py", "value + self.regulariser.weight(self.step) * paid", "value + paid", RAE),
    Mistake("models/rae.py", "self.code_weight(self.step) * code_norm", "code_norm", RAE),
    Mistake("models/rae.py", "[parameter.square().sum()", "[parameter.abs().sum()", RAE),
    Mistake("densities/wiring.py", "spectral_norm and normalise_spectrally(decoder) == 0", "False", RAE),
    Mistake("nets/layers.py", "        spectral_norm(layer)\n    return", "        pass\n    return", RAE),
    Mistake("distributions/priors.py", "torch.linalg.cholesky(covariance)", "covariance", FITTED),
    Mistake("distributions/priors.py", "        self.probs.copy_(probs)\n", "", FITTED),
    Mistake("distributions/priors.py", "scale_tril=self.scale_tril)", "covariance_matrix=self.scale_tril)", FITTED),
    Mistake("runs/fitted_prior.py", "REGULARISATION * float(z.var(0).mean())}", "REGULARISATION}", FITTED),
    Mistake("runs/fitted_prior.py", "len(z.unique(dim=0))", "len(z)", FITTED),
    Mistake("runs/fitted_prior.py", 'sklearn_seed("prior", seed)', 'sklearn_seed("prior", 0)', FITTED),
    Mistake("runs/fitted_prior.py", "layer.infer(batch.x).only().z for", "layer.encode(batch.x) for", FITTED),
    Mistake("runs/fitted_prior.py", '"codes for a prior", seed)', '"codes for a prior", 0)', FITTED),
    Mistake("runs/fitted_prior.py", "if q is None or is_discrete(q):", "if q is None:", FITTED),
    Mistake("runs/fitted_prior.py", "if densities.spec.given:", "if False:", FITTED),
    Mistake("runs/fitted_prior.py", "shutil.copy(kept, out)", "shutil.move(kept, out)", FIT_PRIOR),
    Mistake(
        "densities/wiring.py", "layer.latent_shape, prior, layer", "layer.latent_shape, layer.prior, layer", FITTED
    ),
    Mistake("cli/fit_prior.py", "if out.exists():", "if False:", FIT_PRIOR),
    Mistake("cli/fit_prior.py", 'batches("train", ', 'batches("test", ', FIT_PRIOR),
    Mistake("cli/resume.py", "if saved.densities._target_ == WIRING:", "if False:", FIT_PRIOR),
]

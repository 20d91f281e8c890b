"""Mistakes in adversarial variational Bayes, in regularised autoencoders, and in priors that are fitted afterwards."""

from tests.planting import Mistake

AVB = "tests/models/test_avb.py"
RAE = "tests/models/test_rae.py"
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
]

"""Mistakes in adversarial variational Bayes, in regularised autoencoders, and in priors that are fitted afterwards."""

from tests.planting import Mistake

AVB = "tests/models/test_avb.py"
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
]

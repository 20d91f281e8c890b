"""Mistakes in distributions/."""

from tests.planting import Mistake

LOCATION_SCALE = "tests/distributions/test_location_scale.py"

MISTAKES = [
    Mistake(
        "distributions/location_scale.py",
        "torch.where(seen.isfinite(), seen, self.variance)",
        "seen",
        LOCATION_SCALE,
    ),
    Mistake(
        "distributions/location_scale.py",
        "return Normal(self.loc, self.scale).sample(sample_shape)",
        "return self.loc.expand(self._extended_shape(sample_shape))",
        LOCATION_SCALE,
    ),
    Mistake(
        "distributions/location_scale.py",
        "variance = squared_error.mean().clamp_min(self.min_scale**2)",
        "variance = squared_error.mean()",
        LOCATION_SCALE,
    ),
    Mistake(
        "distributions/full_covariance.py",
        "torch.diag_embed(log_diagonal.exp() + self.min_scale)",
        "torch.diag_embed(log_diagonal.exp())",
        "tests/distributions/test_full_covariance.py",
    ),
]

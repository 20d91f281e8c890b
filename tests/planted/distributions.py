"""Mistakes in distributions/."""

from tests.planting import Mistake

LOCATION_SCALE = "tests/distributions/test_location_scale.py"

MISTAKES = [
    Mistake(
        "distributions/location_scale.py",
        "            self.errors += torch.stack(",
        "            self.errors = torch.stack(",
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
        "return squared_error.mean().clamp_min(self.min_scale**2)",
        "return squared_error.mean()",
        LOCATION_SCALE,
    ),
    Mistake(
        "distributions/full_covariance.py",
        "torch.diag_embed(log_diagonal.exp() + self.min_scale)",
        "torch.diag_embed(log_diagonal.exp())",
        "tests/distributions/test_full_covariance.py",
    ),
    Mistake(
        "distributions/conditional.py",
        "return torch.broadcast_shapes(*leads) if len(leads) > 1 else leads[0] if leads else torch.Size()",
        "return leads[0] if leads else torch.Size()",
        "tests/distributions/test_conditional.py",
    ),
    Mistake(
        "distributions/continuous_bernoulli.py",
        "series = 0.5 + logits / 12 - logits.pow(3) / 720",
        "series = 0.5 + logits / 12 + logits.pow(3) / 720",
        "tests/distributions/test_continuous_bernoulli.py",
    ),
    Mistake(
        "distributions/corruption.py",
        'return _replacing("im2017", probability, partial(_toss, probability)',
        'return _replacing("im2017", probability, partial(_toss, 0.5)',
        "tests/distributions/test_corruption.py",
    ),
    Mistake(
        "distributions/discretised.py",
        "half = 0.5 / (levels - 1)",
        "half = 0.5 / levels",
        "tests/distributions/test_discretised.py",
    ),
    Mistake(
        "distributions/logistic_mixture.py",
        "loc = loc + coupling * (x.select(self.channel_dim, d) - 0.5)",
        "loc = loc + coupling * x.select(self.channel_dim, d)",
        "tests/distributions/test_logistic_mixture.py",
    ),
    Mistake(
        "distributions/planar.py",
        "scale = (self.scales[0] ** 2 * u.square() + self.scales[1] ** 2 * v.square()).sqrt()",
        "scale = (self.scales[1] ** 2 * u.square() + self.scales[0] ** 2 * v.square()).sqrt()",
        "tests/distributions/test_planar.py",
    ),
    Mistake(
        "distributions/priors.py",
        "components = Independent(Normal(self.loc, self.log_scale.exp()), self.loc.dim() - 1)",
        "components = Independent(Normal(self.loc, (0.5 * self.log_scale).exp()), self.loc.dim() - 1)",
        "tests/distributions/test_priors.py",
    ),
    Mistake(
        "distributions/relaxed.py",
        "soft = torch.sigmoid((self.logits + noise) / self.temperature)",
        "soft = torch.sigmoid((self.logits + noise) * self.temperature)",
        "tests/distributions/test_relaxed.py",
    ),
    Mistake(
        "distributions/universal.py",
        "torch.cat([half, -half])",
        "torch.cat([half, half])",
        "tests/distributions/test_planar.py",
    ),
    Mistake(
        "distributions/inversion.py", "for _ in range(32):", "for _ in range(8):", "tests/distributions/test_family.py"
    ),
    Mistake(
        "distributions/grid.py",
        "(index < self.levels - 1 + TOLERANCE)",
        "(index < self.levels + TOLERANCE)",
        "tests/distributions/test_family.py",
    ),
    Mistake(
        "distributions/unit_normal.py",
        "return -0.5 * value.square() - HALF_LOG_TWO_PI",
        "return -0.5 * value.square() + HALF_LOG_TWO_PI",
        "tests/distributions/test_conditional.py",
    ),
    Mistake(
        "distributions/unit_normal.py",
        "return 0.5 * (q.loc.square() + q.scale.square() - 1) - q.scale.log()",
        "return 0.5 * (q.loc.square() + q.scale - 1) - q.scale.log()",
        "tests/distributions/test_unit_normal.py",
    ),
    Mistake(
        "distributions/family.py",
        "return raw.chunk(count, dim=raw.dim() - len(event))",
        "return raw.chunk(count, dim=-1)",
        "tests/distributions/test_family.py",
    ),
    Mistake(
        "distributions/corruption.py",
        "torch.rand_like(x) < probability, replacement, x)",
        "torch.rand_like(x[:1]) < probability, replacement, x)",
        "tests/distributions/test_corruption.py",
    ),
    Mistake(
        "distributions/corruption.py",
        "return self.posterior(self.corruption(x) if self.training else x, *given)",
        "return self.posterior(x if self.training else self.corruption(x), *given)",
        "tests/distributions/test_conditional.py",
    ),
    Mistake(
        "distributions/relaxed.py",
        "return (soft > 0.5).to(soft.dtype) + (soft - soft.detach())",
        "return (soft > 0.5).to(soft.dtype)",
        "tests/distributions/test_relaxed.py",
    ),
    Mistake(
        "distributions/grey.py",
        "return (raw + log(INITIAL_SCALE)).exp() + SMALLEST_SCALE / (levels - 1)",
        "return (raw + log(INITIAL_SCALE)).exp() + SMALLEST_SCALE",
        "tests/distributions/test_grey.py",
    ),
    Mistake(
        "distributions/continuous_bernoulli.py",
        "square / 6 - square.square() / 180 + square.pow(3) / 2835",
        "square / 6 + square.square() / 180 + square.pow(3) / 2835",
        "tests/distributions/test_continuous_bernoulli.py",
    ),
    Mistake(
        "distributions/continuous_bernoulli.py",
        "size = logits.abs().clamp_min(1e-6)",
        "size = logits.abs().clamp_min(1e-1)",
        "tests/distributions/test_continuous_bernoulli.py",
    ),
    Mistake(
        "distributions/discretised.py",
        "torch.where(x < half, log_below, torch.where(x > 1 - half, log_above, inside))",
        "torch.where(x < half, log_above, torch.where(x > 1 - half, log_below, inside))",
        "tests/distributions/test_discretised.py",
    ),
    Mistake(
        "distributions/discretised.py",
        "return (x.clamp(0, 1) * (levels - 1)).round() / (levels - 1)",
        "return (x * (levels - 1)).round() / (levels - 1)",
        "tests/distributions/test_family.py",
    ),
    Mistake(
        "distributions/discretised.py",
        "for k in range(1, levels):",
        "for k in range(1, levels - 1):",
        "tests/distributions/test_discretised.py",
    ),
    Mistake(
        "distributions/full_covariance.py",
        "return 0.5 * (spread * precision - precision.log() - 1).sum(-1) - log_det",
        "return 0.5 * (spread * precision + precision.log() - 1).sum(-1) - log_det",
        "tests/distributions/test_full_covariance.py",
    ),
    Mistake(
        "distributions/grey.py",
        "logits = raw.unflatten(dim, (self.levels, self.event[0])).movedim(dim, -1)",
        "logits = raw.unflatten(dim, (self.event[0], self.levels)).movedim(dim + 1, -1)",
        "tests/distributions/test_family.py",
    ),
    Mistake("distributions/grey.py", "coupling.tanh())", "coupling)", "tests/distributions/test_logistic_mixture.py"),
    Mistake(
        "distributions/logistic_mixture.py",
        "c * (c - 1) // 2 + d",
        "c * (c - 1) // 2 + c - 1 - d",
        "tests/distributions/test_logistic_mixture.py",
    ),
    Mistake(
        "distributions/logistic_mixture.py",
        "drawn = self.expand(torch.Size([*sample_shape, *self.batch_shape]))._draw_components()",
        "drawn = self._draw_components().expand(torch.Size([*sample_shape, *self.batch_shape]))",
        "tests/distributions/test_family.py",
    ),
    Mistake(
        "distributions/planar.py",
        "return torch.stack([-u[..., 1], u[..., 0]], dim=-1)",
        "return torch.stack([u[..., 1], u[..., 0]], dim=-1)",
        "tests/distributions/test_planar.py",
    ),
    Mistake(
        "distributions/planar.py",
        "s = ((labels + u) / self.num_labels).sqrt()",
        "s = (labels + u) / self.num_labels",
        "tests/distributions/test_planar.py",
    ),
    Mistake(
        "distributions/planar.py",
        "log_k.logsumexp(-1) - torch.full_like(along[..., 0], self.num_labels).log()",
        "log_k.logsumexp(-1)",
        "tests/distributions/test_planar.py",
    ),
    Mistake(
        "distributions/point_mass.py",
        "return self.loc.expand(self._extended_shape(sample_shape))",
        "return self.loc.detach().expand(self._extended_shape(sample_shape))",
        "tests/distributions/test_conditional.py",
    ),
    Mistake(
        "distributions/location_scale.py",
        "self.log_scale = nn.Parameter(torch.tensor(log(init_scale)))",
        "self.log_scale = nn.Parameter(torch.tensor(init_scale))",
        "tests/distributions/test_location_scale.py",
    ),
    Mistake(
        "distributions/conditional.py",
        "if self.offset is not None:\n            raw = raw + self.offset",
        "if self.offset is not None and not self.training:\n            raw = raw + self.offset",
        "tests/distributions/test_conditional.py",
    ),
    Mistake(
        "distributions/universal.py",
        "return self.draw(fixed.expand(-1, *self.batch_shape, -1)).mean(0)",
        "return self.draw(fixed.expand(-1, *self.batch_shape, -1))[0]",
        "tests/distributions/test_planar.py",
    ),
    Mistake(
        "distributions/one_hot.py",
        "return mean.clamp(min=1e-3).log()",
        "return mean.clamp(min=1e-1).log()",
        "tests/distributions/test_family.py",
    ),
]

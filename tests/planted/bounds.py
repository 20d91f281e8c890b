"""Mistakes in bounds of several samples, their gradients, flows, shared priors and annealing."""

from tests.planting import Mistake

IWAE, DISCRETE = "tests/models/test_iwae.py", "tests/models/test_discrete_vae.py"
FLOWS, VAMP = "tests/distributions/test_flows.py", "tests/distributions/test_vamp.py"
ANNEALED, RELAXED = "tests/evaluation/test_annealed.py", "tests/distributions/test_relaxed.py"

MISTAKES = [
    Mistake(
        "models/iwae.py",
        "return log_w.logsumexp(0) - log(len(log_w))",
        "return (log_w.softmax(0) * log_w).sum(0)",
        IWAE,
    ),
    Mistake("models/iwae.py", "(of_elbo + of_iwae * share.square()) /", "(of_elbo + of_iwae * share) /", IWAE),
    Mistake(
        "models/iwae.py",
        "of_elbo, of_iwae = self.elbo_weight / self.num_samples, 1 - self.elbo_weight",
        "of_elbo, of_iwae = self.elbo_weight, 1 - self.elbo_weight",
        IWAE,
    ),
    Mistake(
        "densities/estimators.py",
        "return weights()[(..., *[None] * (gradient.dim() - weights().dim()))] * gradient",
        "return gradient",
        IWAE,
    ),
    Mistake("densities/latents.py", "else stop_parameters(self.q), z", "else self.q, z", IWAE),
    Mistake("densities/gradients.py", "torch.stack(columns, dim=-1)", "torch.stack(columns, dim=-2)", FLOWS),
    Mistake(
        "models/piwae.py",
        "return self._loss(batch, self.num_samples, self.num_bounds)",
        "return self._loss(batch, self.num_bounds, self.num_samples)",
        IWAE,
    ),
    Mistake("distributions/flow_steps.py", "torch.log1p(slope)", "slope", FLOWS),
    Mistake("distributions/flow_steps.py", "least = softplus(product) - 1", "least = product", FLOWS),
    Mistake(
        "distributions/flow_steps.py",
        "(z.shape[-1] - 1) * torch.log1p(pulled)",
        "z.shape[-1] * torch.log1p(pulled)",
        FLOWS,
    ),
    Mistake("distributions/flow_steps.py", "softplus(beta) - alpha", "beta", FLOWS),
    Mistake("distributions/flow_steps.py", "diagonal * (1 - bent.square())", "diagonal * bent.square()", FLOWS),
    Mistake(
        "distributions/flow_steps.py",
        "square.diagonal(dim1=-2, dim2=-1).tanh()",
        "3 * square.diagonal(dim1=-2, dim2=-1)",
        FLOWS,
    ),
    Mistake("distributions/flow_steps.py", "1.5 * q - 0.5 * q", "1.5 * q - 0.6 * q", FLOWS),
    Mistake("distributions/flow.py", "log_q = log_q - log_det", "log_q = log_q + log_det", FLOWS),
    Mistake(
        "distributions/autoregressive.py",
        "return y, -self.transform.log_abs_det_jacobian(y, z)",
        "return y, self.transform.log_abs_det_jacobian(y, z)",
        FLOWS,
    ),
    Mistake("distributions/autoregressive.py", "Distribution.set_default_validate_args(before)", "pass", FLOWS),
    Mistake(
        "distributions/vamp.py",
        "self.raw.new_zeros(self.num_components)",
        "self.raw.new_ones(self.num_components).cumsum(0)",
        VAMP,
    ),
    Mistake("distributions/vamp.py", 'generator=generator("pseudo-inputs")', "generator=None", VAMP),
    Mistake("distributions/vamp.py", "self.raw.sigmoid() if self.is_unit else self.raw", "self.raw", VAMP),
    Mistake("distributions/vamp.py", "drawn[rank, chosen]", "drawn[0, chosen]", VAMP),
    Mistake("distributions/vamp.py", "drawn[rank, chosen]", "drawn[rank, chosen.sort().values]", VAMP),
    Mistake(
        "densities/score_function.py",
        "learning = (log_w - baseline).detach()",
        "learning = (log_w + baseline).detach()",
        DISCRETE,
    ),
    Mistake(
        "densities/score_function.py",
        "return (values.sum(0) - values) / (len(values) - 1)",
        "return values.mean(0).expand_as(values)",
        DISCRETE,
    ),
    Mistake(
        "densities/score_function.py",
        "learning = (bound - without).detach()",
        "learning = (without - bound).detach()",
        DISCRETE,
    ),
    Mistake("densities/score_function.py", "(first - second)[..., None] / 2", "(first - second)[..., None]", DISCRETE),
    Mistake("densities/score_function.py", "logits.detach().abs().sigmoid()", "logits.detach().sigmoid()", DISCRETE),
    Mistake("densities/score_function.py", "differ.flatten(2)", "differ", DISCRETE),
    Mistake(
        "evaluation/annealed.py",
        "(betas[t] - betas[t - 1]) * target(z)[1].double()",
        "betas[t] * target(z)[1].double()",
        ANNEALED,
    ),
    Mistake(
        "evaluation/annealed.py",
        "is_accepted = torch.rand_like(log_accept).log() < log_accept",
        "is_accepted = torch.ones_like(log_accept, dtype=torch.bool)",
        ANNEALED,
    ),
    Mistake(
        "evaluation/annealed.py",
        "log(self.num_chains) - backward.log_w.logsumexp(0)",
        "backward.log_w.logsumexp(0) - log(self.num_chains)",
        ANNEALED,
    ),
    Mistake(
        "distributions/relaxed.py",
        "(q.logits.exp() * (q.logits - p.logits)).sum(-1)",
        "(p.logits.exp() * (q.logits - p.logits)).sum(-1)",
        RELAXED,
    ),
    Mistake(
        "distributions/relaxed.py",
        "((self.logits + noise) / self.temperature).softmax(-1)",
        "(self.logits + noise).softmax(-1)",
        RELAXED,
    ),
]

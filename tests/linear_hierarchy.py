"""Two layers where everything is Gaussian: z2 ~ N(0, I), z1 = A z2 + a + noise, x = W z1 + V z2 + b + noise."""

from functools import partial
from types import SimpleNamespace

import torch
from torch import nn
from torch.distributions import Independent, MultivariateNormal, Normal

from elbolab.batch import Spec, Support
from elbolab.densities.hierarchy import bottom_up, two_layer
from elbolab.distributions.conditional import Conditional, StandardNormal

Z2, Z1, X = (2,), (3,), (4,)
SPEC = Spec(X, Support.REAL)


class Linear(Conditional):
    """N(W [parents] + b, covariance), or with a vector of scales."""

    def __init__(self, weight, bias, scale):
        super().__init__()
        self.weight, self.bias, self.scale = nn.Parameter(weight), nn.Parameter(bias), scale

    def forward(self, *parents):
        lead = torch.broadcast_shapes(*(parent.shape[:-1] for parent in parents))
        mean = torch.cat([parent.expand(*lead, -1) for parent in parents], -1) @ self.weight.T + self.bias
        if self.scale.dim() == 2:
            return MultivariateNormal(mean, self.scale)
        return Independent(Normal(mean, self.scale.expand_as(mean)), 1)


def linear_hierarchy(wire, num=5, is_exact=True, posteriors=None, seed=0):
    """Data, their evidence, and densities with the true posterior, or with one that is off and has no covariances.

    Args:
        wire: `bottom_up` or `two_layer`; bottom-up x does not look at z2.
        num: number of data.
        is_exact: whether the posterior is true.
        posteriors: other parts, by (shapes of the parents, shape of the draw).
        seed: of the model and the data.
    """
    g = torch.Generator().manual_seed(seed)
    a, w, v, mean1, b = (torch.randn(*s, generator=g) for s in ((3, 2), (4, 3), (4, 2), (3,), (4,)))
    v = v * (wire is two_layer)
    of_z1, of_x = torch.full((3,), 0.7), torch.full((4,), 0.5)
    # (z2, z1, x) = L noise + mean
    rows = [torch.cat([torch.eye(2), torch.zeros(2, 7)], 1), torch.cat([a, torch.diag(of_z1), torch.zeros(3, 4)], 1)]
    rows.append(w @ rows[1] + v @ rows[0] + torch.cat([torch.zeros(4, 5), torch.diag(of_x)], 1))
    joint, means = torch.cat(rows), torch.cat([torch.zeros(2), mean1, w @ mean1 + b])
    covariance = joint @ joint.T
    place = {"z2": slice(0, 2), "z1": slice(2, 5), "x": slice(5, 9)}

    def given(what, *known):
        """p(what | known) of the joint Gaussian."""
        index = torch.cat([torch.arange(9)[place[name]] for name in known])
        of_known, mixed = covariance[index][:, index], covariance[place[what]][:, index]
        weight = torch.linalg.solve(of_known, mixed.T).T
        bias, spread = (
            means[place[what]] - weight @ means[index],
            covariance[place[what], place[what]] - weight @ mixed.T,
        )
        if is_exact:
            return Linear(weight, bias, (spread + spread.T) / 2)
        return Linear(0.95 * weight, 0.9 * bias, 1.3 * spread.diagonal().sqrt())

    parts = {
        ((X,), Z1): lambda: given("z1", "x"),
        ((Z1,), Z2): lambda: given("z2", "z1"),
        ((X,), Z2): lambda: given("z2", "x"),
        ((X, Z2), Z1): lambda: given("z1", "x", "z2"),
        ((Z2,), Z1): lambda: Linear(a.clone(), mean1.clone(), of_z1),
        ((Z1,), X): lambda: Linear(w.clone(), b.clone(), of_x),
        ((Z1, Z2), X): lambda: Linear(torch.cat([w, v], 1), b.clone(), of_x),
    } | (posteriors or {})
    part = lambda parents, event: parts[parents, event]()  # noqa: E731
    densities = wire(SPEC, [3, 2], StandardNormal, part, part, inner=part)
    evidence = MultivariateNormal(means[place["x"]], covariance[place["x"], place["x"]])
    return SimpleNamespace(x=evidence.mean + torch.randn(num, 4, generator=g), evidence=evidence, densities=densities)


def fixed(loc, scale):
    """N(loc, scale^2) whatever the parents."""

    class Fixed(Conditional):
        def forward(self, *parents):
            lead = torch.broadcast_shapes(*(parent.shape[:-1] for parent in parents))
            return Independent(Normal(*(torch.tensor(values).expand(*lead, -1) for values in (loc, scale))), 1)

    return Fixed


exact_models = {wire.__name__: partial(linear_hierarchy, wire) for wire in (bottom_up, two_layer)}

"""Mistakes in evaluation/figures/."""

from tests.planting import Mistake

MISTAKES = [
    Mistake(
        "evaluation/outputs.py",
        "        return p.mean\n    except NotImplementedError:\n        return p.sample()",
        "        return p.sample()\n    except NotImplementedError:\n        return p.mean",
        "tests/evaluation/test_outputs.py",
    ),
    Mistake(
        "evaluation/figures/curves.py",
        "values[steps >= TRANSIENT * last]",
        "values[steps <= TRANSIENT * last]",
        "tests/evaluation/test_curves.py",
    ),
    Mistake(
        "evaluation/figures/curves.py",
        'order = np.argsort(-kl[-1], kind="stable")',
        'order = np.argsort(-kl[0], kind="stable")',
        "tests/callbacks/test_kl_map.py",
    ),
    Mistake(
        "evaluation/figures/generative.py",
        'torch.meshgrid(grid[:, 0], grid[:, 1].flip(0), indexing="xy")',
        'torch.meshgrid(grid[:, 0], grid[:, 1], indexing="xy")',
        "tests/evaluation/test_figures.py",
    ),
    Mistake(
        "evaluation/figures/generative.py",
        "classes = torch.where(steps < 0.5, first, last)",
        "classes = torch.where(steps > 0.5, first, last)",
        "tests/evaluation/test_class_in_code.py",
    ),
    Mistake(
        "evaluation/figures/looks.py",
        "padded.permute(0, 3, 1, 4, 2)",
        "padded.permute(0, 4, 1, 3, 2)",
        "tests/evaluation/test_conditional_figures.py",
    ),
    Mistake(
        "evaluation/figures/conditional.py",
        "rows = torch.cat([x[:, None], means], dim=1).cpu()",
        "rows = torch.cat([means, x[:, None]], dim=1).cpu()",
        "tests/evaluation/test_semi_figures.py",
    ),
    Mistake(
        "evaluation/figures/generative.py",
        "densities.encode(corrupted, *given)",
        "densities.encode(x, *given)",
        "tests/evaluation/test_denoising.py",
    ),
    Mistake(
        "evaluation/figures/latent.py",
        "widest = max(abs(end) for end in ends)",
        "widest = min(abs(end) for end in ends)",
        "tests/evaluation/test_aggregate.py",
    ),
    Mistake(
        "evaluation/figures/latent.py",
        "index / (len(classes) - 1)",
        "index / len(classes)",
        "tests/evaluation/test_latent_figures.py",
    ),
]

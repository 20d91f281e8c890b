"""Named streams: apart from each other, and from every stream that a bare seed gives."""

import ast
from pathlib import Path

import numpy as np
import pytest
import torch

from elbolab.common.rng import generator, isolated_rng, numpy_generator, seed_device, seed_of, sklearn_seed

SRC = Path(__file__).parents[2] / "src" / "elbolab"


def test_a_stream_is_its_purpose_and_its_numbers_in_order():
    streams = [("a",), ("b",), ("a", 0), ("a", 1), ("a", 0, 0), ("a", 0, 1), ("a", 1, 0), ("a", 10), ("a", 1, 0, 0)]
    assert len({seed_of(*stream) for stream in streams}) == len(streams)


def test_a_stream_is_the_same_in_every_process():
    """So a report repeats: ``hash`` of a text would differ."""
    assert seed_of("importance sampling", 3, 14) == 854373787491799831


@pytest.mark.parametrize("seed", [0, 1, 17, 2**32 - 1])
def test_no_stream_is_the_bare_seed(seed):
    bare = torch.randn(1000, generator=torch.Generator().manual_seed(seed))
    named = torch.randn(1000, generator=generator("bound", seed))
    assert abs(torch.corrcoef(torch.stack([bare, named]))[0, 1]) < 0.16  # 5 standard errors
    bare, named = np.random.default_rng(seed).normal(size=1000), numpy_generator("bound", seed).normal(size=1000)
    assert abs(np.corrcoef(bare, named)[0, 1]) < 0.16
    assert seed < 2**32 <= seed_of("bound", seed)


def test_scikit_learn_takes_the_seeds():
    seeds = [sklearn_seed("trees", i) for i in range(200)]
    assert max(seeds) < 2**32
    assert len(set(seeds)) == 200
    np.random.RandomState(max(seeds))


def test_noise_within_leaves_the_state_outside():
    torch.manual_seed(5)
    expected = torch.rand(4)
    torch.manual_seed(5)
    draws = []
    for _ in range(2):
        with isolated_rng(torch.device("cpu"), seed_of("test", 0)):
            draws.append(torch.rand(3))
    assert torch.equal(*draws)
    assert torch.equal(torch.rand(4), expected)
    with isolated_rng(torch.device("cpu")):
        goes_on = torch.rand(3)
    assert torch.equal(goes_on, torch.rand(3))


def test_a_seeded_device_draws_the_stream():
    seed_device(torch.device("cpu"), seed_of("test", 3))
    assert torch.equal(torch.rand(4), torch.rand(4, generator=generator("test", 3)))


MEASURES = [p for folder in ("evaluation", "metrics", "callbacks") for p in sorted((SRC / folder).rglob("*.py"))]


def seedings(path):
    """Calls that start a stream, and arguments ``random_state=`` that are no named one."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in ("manual_seed", "default_rng", "RandomState", "seed_everything"):
                yield name
            values = [keyword.value for keyword in node.keywords if keyword.arg == "random_state"]
            yield from (ast.unparse(v) for v in values if isinstance(v, ast.Constant) or ast.unparse(v) == "seed")


@pytest.mark.parametrize("path", MEASURES, ids=lambda p: str(p.relative_to(SRC)))
def test_measures_draw_from_named_streams_alone(path):
    assert list(seedings(path)) == []


def test_that_check_sees_a_bare_seed(tmp_path):
    lines = [
        "np.random.default_rng(seed)",
        "torch.Generator().manual_seed(0)",
        "SVC(random_state=0)",
        "f(random_state=seed)",
    ]
    (tmp_path / "x.py").write_text("\n".join(lines))
    assert len(list(seedings(tmp_path / "x.py"))) == 4

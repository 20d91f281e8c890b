"""How data and samples of the estimators are cut into groups and chunks."""

import pytest
import torch
from tests.evaluation.binary_vae import BINARY, bernoulli_vae, binary_batches

from elbolab.batch import Batch
from elbolab.evaluation.likelihood import LIVE, default_memory, importance_log_likelihood, in_groups

pytestmark = pytest.mark.usefixtures("float64")


@pytest.mark.parametrize("size", [1, 3, 7, 50])
def test_groups_hold_the_data_in_order(size):
    x = torch.arange(20.0).unsqueeze(1)
    batches = [Batch(part, (2 * part,)) for part in x.split(6)]
    groups = list(in_groups(batches, size))
    assert [len(group[0]) for group in groups[:-1]] == [min(size, 20)] * (len(groups) - 1)
    torch.testing.assert_close(torch.cat([group[0] for group in groups]), x)
    torch.testing.assert_close(torch.cat([group[1] for group in groups]), 2 * x)


@pytest.mark.parametrize("memory", [2_000, 10_000, 100_000])
def test_chunks_fit_the_memory(memory):
    densities, rows = bernoulli_vae(), []
    densities.likelihood.register_forward_hook(lambda module, inputs, output: rows.append(inputs[0][..., 0].numel()))
    importance_log_likelihood(densities, binary_batches(1), num_samples=500, seed=0, memory=memory)
    widest = 16  # numbers in the widest hidden layer
    assert memory / 2 < max(rows) * widest * 8 * LIVE <= memory


def test_wide_outputs_still_come_in_chunks_worth_a_matrix_product():
    densities, rows = bernoulli_vae(spec=BINARY._replace(x=(200_000,))), []
    densities.likelihood.register_forward_hook(lambda module, inputs, output: rows.append(inputs[0][..., 0].numel()))
    importance_log_likelihood(densities, binary_batches(1, 200_000), num_samples=70, seed=0)
    assert max(rows) == 64


def test_default_memory_grows_with_the_threads_of_a_cpu():
    assert default_memory(torch.device("cpu")) == 3 * 2**20 * torch.get_num_threads()
    assert default_memory(torch.device("cuda")) == 2**31

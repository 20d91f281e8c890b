import numpy as np
import torch

from elbolab.benchmark import cases
from elbolab.benchmark.cases import blobs
from elbolab.nets.conv import Conv
from elbolab.reading.splits import Arrays

CPU = torch.device("cpu")


def test_everybody_gets_a_copy_of_the_same_weights(case):
    one, other = case.nets(), case.densities()
    assert torch.equal(one.encoder.layers[0].weight, other.posterior.net.layers[0].weight)
    assert torch.equal(one.decoder.layers[0].weight, other.likelihood.net.layers[0].weight)
    with torch.no_grad():
        one.encoder.layers[0].weight.add_(1)
    assert not torch.equal(one.encoder.layers[0].weight, case.nets().encoder.layers[0].weight)


def test_an_epoch_has_whole_batches_for_everybody(case):
    assert case.usable(16) == len(case.rows(16)) == 64
    data = case.data(16)
    assert len(data.splits.train) == 64
    assert [len(batch) for batch in data.train_dataloader().order.batches(0)] == [16] * 4


def test_everybody_sees_the_same_images(case):
    """As elbolab's data module finishes them, on the same noise."""
    rows, data = case.rows(10), case.data(10)
    often = torch.arange(70).repeat(100)  # a probability that is 1/256 off shows
    torch.manual_seed(3)
    seen = case.see(rows[often])
    torch.manual_seed(3)
    batch = data.finish("train", CPU)(data.rows("train", CPU).select(often))
    assert torch.equal(seen, batch.x)
    assert set(seen.unique().tolist()) == {0.0, 1.0}


def test_binary_images_are_seen_as_they_are(case):
    x = np.eye(4, dtype=np.uint8)[None, None]
    binary = case.splits._replace(train=Arrays(x, levels=2))
    seen = cases.Case("bits", case.spec, binary, case.original, CPU).see(torch.from_numpy(x))
    assert torch.equal(seen, torch.eye(4)[None, None])


def test_the_cases_are_those_that_are_named():
    assert [p.shape for p in cases.mlp(CPU).original.encoder.parameters()] == [(400, 784), (400,), (40, 400), (40,)]
    nets = cases.burda(CPU).original
    assert [p.shape[0] for p in nets.encoder.parameters()] == [200, 200, 200, 200, 100, 100]
    nets = cases.conv(CPU, num=20).original
    assert isinstance(nets.encoder, Conv)
    x = torch.zeros(2, 1, 64, 64)
    assert nets.encoder(x).shape == (2, 20)
    assert nets.decoder(torch.zeros(2, 10)).shape == x.shape


def test_a_case_starts_from_the_same_weights_and_leaves_the_generator():
    state = torch.get_rng_state()
    one, other = (cases.mlp(CPU).original.state_dict() for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert torch.equal(torch.get_rng_state(), state)


def test_blobs_are_binary_and_differ():
    images = blobs(1030, seed=1)
    assert images.shape == (1030, 1, 64, 64)
    assert images.dtype == np.uint8
    assert set(np.unique(images)) == {0, 1}
    assert np.array_equal(images, blobs(1030, seed=1))
    assert not np.array_equal(images, blobs(1030, seed=2))
    filled = images.mean((1, 2, 3))
    assert 0 < filled.min() < filled.max() < 0.25
    assert len(np.unique(images.reshape(1030, -1), axis=0)) == 1030

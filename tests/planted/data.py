"""Mistakes in data/."""

from tests.planting import Mistake

MISTAKES = [
    Mistake(
        "data/blocks.py",
        "torch.arange(-len(steps[-1]) % self.world, device=device)",
        "torch.arange(len(steps[-1]) % self.world, device=device)",
        "tests/data/test_blocks.py",
    ),
    Mistake(
        "data/module.py",
        "scale = 1 if train.levels is None else train.levels - 1",
        "scale = 1 if train.levels is None else train.levels",
        "tests/data/test_module.py",
    ),
    Mistake(
        "data/module.py",
        "limit = None if limit is None else max(limit, world)",
        "limit = None if limit is None else limit",
        "tests/training/test_ddp.py",
    ),
    Mistake(
        "data/fetch.py",
        "return bits.flatten(1)[:, : prod(event)].unflatten(1, event)",
        "return bits.flatten(1)[:, -prod(event) :].unflatten(1, event)",
        "tests/data/test_fetch.py",
    ),
    Mistake(
        "data/quadrants.py",
        "bottom = (torch.arange(height) >= height // 2)[:, None]",
        "bottom = (torch.arange(height) >= (height + 1) // 2)[:, None]",
        "tests/data/test_quadrants.py",
    ),
    Mistake(
        "data/seeded.py",
        "train = np.sort(order[held_out:][:train_size])",
        "train = np.sort(order[test_size:][:train_size])",
        "tests/data/test_seeded.py",
    ),
    Mistake(
        "data/labelled.py",
        "start = epoch * steps * each",
        "start = epoch * steps * self.size",
        "tests/data/test_labelled.py",
    ),
    Mistake(
        "data/toy.py",
        "rng = np.random.default_rng((self.data_seed, stream))",
        "rng = np.random.default_rng((self.data_seed, 0))",
        "tests/data/test_toy.py",
    ),
    Mistake(
        "data/values.py",
        "return (Support.UNIT if all(values.within(1) for values in arrays) else Support.REAL), None",
        "return (Support.UNIT if any(values.within(1) for values in arrays) else Support.REAL), None",
        "tests/data/test_arrays.py",
    ),
    Mistake(
        "data/binarize.py",
        "size=grey.x.shape, dtype=np.uint8) < grey.x)",
        "size=grey.x.shape, dtype=np.uint8) <= grey.x)",
        "tests/data/test_binarize.py",
    ),
    Mistake(
        "data/given.py",
        "values / 255 if rows.given.dtype is torch.uint8",
        "values / 256 if rows.given.dtype is torch.uint8",
        "tests/data/test_given.py",
    ),
    Mistake(
        "data/blocks.py",
        "self._start, self._last, self._done = start, block, self._done + 1",
        "self._start, self._last, self._done = start, block, self._done",
        "tests/data/test_blocks.py",
    ),
    Mistake(
        "data/labelled.py",
        "generator(self.order.seed, k, STREAM)",
        "generator(self.order.seed, 0, STREAM)",
        "tests/data/test_labelled.py",
    ),
    Mistake("data/stream.py", "while self.number < number:", "if self.number < number:", "tests/data/test_stream.py"),
    Mistake(
        "data/residence.py",
        'int(fields["MemAvailable"].split()[0]) * 1024',
        'int(fields["MemAvailable"].split()[0]) * 1000',
        "tests/data/test_residence.py",
    ),
    Mistake("data/idx.py", "offset=4 + 4 * raw[3])", "offset=4 * raw[3])", "tests/data/test_array_folders.py"),
    Mistake(
        "data/mnist_like.py",
        "train.rows(slice(val_start, None))",
        "train.rows(slice(val_start - 1, None))",
        "tests/data/test_mnist.py",
    ),
    Mistake(
        "data/vision.py",
        "return Splits(train.rows(slice(end)), train.rows(slice(end, None)), test)",
        "return Splits(train.rows(slice(end)), test, train.rows(slice(end, None)))",
        "tests/data/test_vision.py",
    ),
    Mistake(
        "data/binarize.py",
        "rngs = [np.random.default_rng((seed, stream)) for stream in range(3)]",
        "rngs = [np.random.default_rng((seed, 0)) for stream in range(3)]",
        "tests/data/test_binarize.py",
    ),
    Mistake(
        "data/quadrants.py",
        "torch.cat(pixel_indices(canvas, x.device)).argsort()",
        "torch.cat(pixel_indices(canvas, x.device))",
        "tests/data/test_given.py",
    ),
]

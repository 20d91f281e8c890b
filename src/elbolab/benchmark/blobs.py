"""Binary images for a speed test: no download, and as large as wanted.

Shapes: n = images, S = height and width.
"""

import numpy as np

CHUNK = 1024
"""Images drawn together, to bound the memory of the distances."""


def blobs(num: int, seed: int, size: int = 64) -> np.ndarray:
    """Filled ellipses, (n, 1, S, S) uint8, 1 inside."""
    rng = np.random.default_rng(seed)
    parts = [_ellipses(rng.random((min(CHUNK, num - start), 4)), size) for start in range(0, num, CHUNK)]
    return np.concatenate(parts)


def _ellipses(uniform: np.ndarray, size: int) -> np.ndarray:
    """Uniform numbers (n, 4) -> images: centres in the middle half, half axes of 5 % to 25 % of the width."""
    grid = (np.arange(size, dtype=np.float32) + 0.5) / size
    centres, axes = 0.25 + 0.5 * uniform[:, :2], 0.05 + 0.2 * uniform[:, 2:]
    down, across = (((grid - centres[:, [i]]) / axes[:, [i]]) ** 2 for i in range(2))
    inside = down[:, :, None] + across[:, None, :] < 1
    return inside[:, None].astype(np.uint8)

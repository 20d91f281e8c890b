"""Several devices: Lightning launches, places and shards; the stepper averages gradients."""

from typing import final

from lightning.pytorch.strategies import DDPStrategy
from torch.distributed import broadcast
from typing_extensions import override


@final
class FlatDDP(DDPStrategy):
    """DDP without torch's reducer, which expects one backward pass per step.

    Two players, or a block of several steps, need more backward passes. All ranks start from the weights of rank 0, and
    every update uses the mean gradient over the ranks, so their weights stay equal.
    """

    @override
    def configure_ddp(self) -> None:
        """Leaves the module unwrapped; copies rank 0's parameters and buffers to every rank."""
        module = self.lightning_module
        assert module is not None
        for tensor in (*module.parameters(), *module.buffers()):
            broadcast(tensor.data, src=0)

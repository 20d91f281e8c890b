"""Several devices: Lightning launches, places and shards; the stepper averages gradients."""

from typing import final

from lightning.pytorch.strategies import DDPStrategy
from torch.distributed import broadcast
from typing_extensions import override


@final
class FlatDDP(DDPStrategy):
    """DDP without torch's reducer, which takes one backward a step and so rejects two players and blocks.

    The ranks start from rank 0's weights, and each steps with the mean gradient, so they stay equal.
    """

    @override
    def configure_ddp(self) -> None:
        """Leaves the module unwrapped; copies rank 0's parameters and buffers to every rank."""
        module = self.lightning_module
        assert module is not None
        for tensor in (*module.parameters(), *module.buffers()):
            broadcast(tensor.data, src=0)

"""A CUDA device without one: tensors have its shapes and places and no numbers, and what would wait for it raises."""

from contextlib import contextmanager

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class HostCopy(RuntimeError):
    """A tensor of the device was made from one of the host: a graph cannot hold that."""


WAIT = {"aten::normal.Tensor_Tensor", "aten::multinomial", "aten::linalg_cholesky_ex", "aten::one_hot"}
"""Operations whose CUDA kernels read a value back, which no tensor without numbers shows."""


class NoHostCopies(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.name() in WAIT:
            raise HostCopy(f"{func} waits for the device")
        if (
            func.name() == "aten::copy_"
            and args[0].device.type == "cuda"
            and args[1].device.type == "cpu"
            and args[1].dim()
        ):
            raise HostCopy(f"{func} copies from the host")
        out = func(*args, **(kwargs or {}))
        read = [leaf.device.type for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        made = [leaf.device.type for leaf in tree_leaves(out) if isinstance(leaf, torch.Tensor)]
        if "cuda" in made and read and "cuda" not in read:
            raise HostCopy(f"{func} copies from the host")
        return out


@contextmanager
def fake_cuda(module: nn.Module):
    """Within, ``module`` lives on the device; whatever waits for it or copies to it raises. Forward passes alone."""
    with FakeTensorMode(allow_non_fake_inputs=True):
        for part in module.modules():
            for name, parameter in part._parameters.items():
                if parameter is not None:
                    part._parameters[name] = nn.Parameter(_moved(parameter), parameter.requires_grad)
            for name, buffer in part._buffers.items():
                part._buffers[name] = None if buffer is None else _moved(buffer)
        with NoHostCopies():
            yield


def _moved(tensor):
    return torch.empty(tensor.shape, dtype=tensor.dtype, device="cuda")

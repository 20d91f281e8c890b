"""A device without one: tensors there have numbers, which lie on the CPU, and do not mix with tensors of the CPU.

As on a CUDA device, an operation that takes tensors of both raises, but for a CPU number in an elementwise operation;
indices and generators must be of the device too. The device is called ``meta``, as torch can differentiate there.
"""

from contextlib import contextmanager
from unittest import mock

import torch
from lightning.pytorch.accelerators import CPUAccelerator
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from elbolab.training.trainer import make_trainer

DEVICE = torch.device("meta")

COPIES = {"aten::_to_copy", "aten::copy_"}
"""Operations that take a tensor from one device to another."""

WITH_NUMBERS = {"aten::index_put_", "aten::index_put", "aten::fill_.Tensor", "aten::masked_fill.Tensor"}
"""Operations that take a number of the CPU, beside the elementwise ones."""


class MixedDevices(RuntimeError):
    """An operation was given tensors of the CPU and of the device."""


class There(torch.Tensor):
    """A tensor of the device; ``here`` are its numbers."""

    @staticmethod
    def __new__(cls, here):
        return torch.Tensor._make_wrapper_subclass(
            *(cls, here.size()),
            strides=here.stride(),
            storage_offset=here.storage_offset(),
            dtype=here.dtype,
            device=DEVICE,
            requires_grad=here.requires_grad,
        )

    def __init__(self, here):
        self.here = here.detach()

    def __repr__(self):
        return f"There({self.here})"

    def __format__(self, spec):
        return format(self.here, spec)

    def tolist(self):
        return self.here.tolist()

    def numpy(self, *, force=False):
        raise MixedDevices("NumPy reads tensors of the CPU alone")

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return perform(func, args, kwargs or {})


class Pretending(TorchDispatchMode):
    """Within, tensors can be made on the device."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return perform(func, args, kwargs or {})


class Constructing(TorchFunctionMode):
    """`torch.tensor` makes its numbers without operations, and none for ``meta``."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func in (torch.tensor, torch.as_tensor) and kwargs.get("device") is not None:
            device = kwargs.pop("device")
            return func(*args, **kwargs).to(device)
        return func(*args, **kwargs)


def perform(func, args, kwargs):
    """The operation on the numbers, and its results where they belong."""
    tensors: list = []
    here, named = (changed(tree, lambda t: tensors.append(t) or getattr(t, "here", t)) for tree in (args, kwargs))
    is_there = any(isinstance(tensor, There) for tensor in tensors)
    if is_there and func.name() not in COPIES:
        check(func, [tensor for tensor in tensors if not isinstance(tensor, There)])
    wanted = kwargs.get("device")
    goes_there = is_there if wanted is None else torch.device(wanted).type == DEVICE.type
    if func.name() == "aten::copy_":
        goes_there = isinstance(args[0], There)
    check_generator(func, kwargs.get("generator"), goes_there)
    if goes_there and wanted is not None:
        named["device"] = torch.device("cpu")
    out = func(*here, **named)
    if not goes_there:
        return out
    given = {id(tensor.here): tensor for tensor in tensors if isinstance(tensor, There)}  # an operation in place
    return changed(out, lambda tensor: given[id(tensor)] if id(tensor) in given else There(tensor))


def changed(tree, change):
    """Arguments or results with ``change`` of every tensor: torch's own `tree_map` took a third of all time here."""
    if isinstance(tree, torch.Tensor):
        return change(tree)
    if isinstance(tree, dict):
        return {name: changed(part, change) for name, part in tree.items()}
    return type(tree)([changed(part, change) for part in tree]) if isinstance(tree, tuple | list) else tree


def check(func, strangers):
    """Raises MixedDevices where tensors of the CPU take part that may not."""
    may = torch.Tag.pointwise in func.tags or func.name() in WITH_NUMBERS
    if any(tensor.dim() or not may for tensor in strangers):
        raise MixedDevices(f"{func} takes tensors of the device and {[tuple(tensor.shape) for tensor in strangers]}")


def check_generator(func, generator, goes_there):
    """Raises MixedDevices where noise of one device is to come from a generator of the other."""
    if generator is not None and (generator._cdata in GENERATORS) != goes_there:
        raise MixedDevices(f"{func} takes a generator of the other device")


GENERATOR, GENERATORS = torch.Generator, {}
"""torch's class, and those of the device by their addresses: operations are given other objects for the same."""


def make_generator(device="cpu"):
    """In the place of `torch.Generator`, which knows no such device."""
    made = GENERATOR()
    if torch.device(device).type == DEVICE.type:
        GENERATORS[made._cdata] = made
    return made


def sent(tensor):
    """A copy of a tensor on the device."""
    return There(tensor.detach().clone()).requires_grad_(tensor.requires_grad)


@contextmanager
def pretend_device():
    """Within, the device exists: `Module.to` and `Tensor.to` take there, fused optimisers and generators work there."""
    with (
        mock.patch.object(torch, "Generator", make_generator),
        mock.patch("torch.optim.optimizer._get_fused_kernels_supported_devices", return_value=[DEVICE.type]),
        Constructing(),
        Pretending(),
    ):
        yield DEVICE
    GENERATORS.clear()


def fit_there(model, data, **options):
    """Fits a model on the device, within `pretend_device`, and leaves it there."""
    quiet = {"enable_progress_bar": False, "enable_checkpointing": False, "log_every_n_steps": 2}
    trainer = make_trainer(accelerator="cpu", **(quiet | options))
    trainer.strategy._root_device = DEVICE  # Lightning has no accelerator for it
    with mock.patch.object(CPUAccelerator, "setup_device"):
        trainer.fit(model, data)
    model.to(DEVICE)
    return trainer

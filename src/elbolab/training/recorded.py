"""Captured steps on a CPU: the tensor operations of a step are recorded once and replayed without Python overhead.

On a CPU a small step spends a quarter of its time on that overhead: Python code, distributions and the bookkeeping of
autograd.
"""

import operator
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any, final

import torch
from torch import Tensor, fx, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map
from torch.utils.weak import WeakTensorKeyDictionary
from typing_extensions import override

from elbolab.training.graphs import Graphs, Unrepeatable

SAME = (torch.ops.aten.detach.default, torch.ops.aten.alias.default)
"""Operations that return their argument unchanged where there is no autograd."""

READERS = (Tensor.tolist, Tensor.numpy, Tensor.__array__)
"""Methods that read the values of a tensor and are no tensor operations."""

Work = Callable[[], None]

CHANGES = (
    "the step replayed is not the step: a loss, network or optimiser keeps a Python number that changes, puts another "
    "tensor in the place of one that it keeps (write into it with copy_, in a buffer), seeds the noise, or reads "
    "values unseen"
)


@final
class Recorder(Graphs):
    """Records of tensor operations of steps of a training, which change the model's parameters and buffers in place."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    @override
    def stream(self) -> AbstractContextManager[None]:
        return nullcontext()

    @override
    def like(self, leaf: Tensor) -> Tensor:
        return torch.empty_like(leaf)

    @contextmanager
    @override
    def waits(self) -> Iterator[list[str]]:
        """Yields an empty list: a CPU waits for nothing, and `capture` finds code that reads values out of tensors."""
        yield []

    @override
    def capture(self, work: Work) -> Work:
        """The first replay is done beside ``work``, and raises Unrepeatable where it does something else."""
        found: list[str] = []
        before = dict(self.model.named_buffers())
        with _Calls(found), _Operations(found) as operations:
            work()
        self._forget_gradients()
        after = dict(self.model.named_buffers())
        for name in (name for name, buffer in before.items() if after.get(name) is not buffer):
            found.append(f"the step replaces the buffer {name} instead of writing into it (use copy_)")
        if found:
            raise Unrepeatable(found[0])
        return self._compare_first(work, *_make_replay(operations.graph, operations.constants))

    def _compare_first(self, work: Work, replay: Work, state: "State") -> Work:
        """The replay, whose first call also does ``work`` and compares the results of the two."""

        def first() -> None:
            before = state.read()
            work()
            self._forget_gradients()
            after, reason = state.read(), None
            state.write(before)
            try:
                replay()
            except (RuntimeError, TypeError) as error:  # operations that refuse their own results: those of an LSTM
                reason = f"the step's record cannot be replayed ({error})"
            if reason is None and not _are_equal(after, state.read()):
                reason = CHANGES
            if reason is not None:
                state.write(after)
                raise Unrepeatable(reason)

        pending = [first]
        return lambda: pending.pop()() if pending else replay()

    def _forget_gradients(self) -> None:
        """Clears all gradients, because a replay leaves none behind."""
        for parameter in self.model.parameters():
            parameter.grad = None


class _Calls(TorchFunctionMode):
    """Sees calls of Python that read tensors without a tensor operation."""

    def __init__(self, found: list[str]) -> None:
        super().__init__()
        self.found = found

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in READERS:
            self.found.append(f"the step reads the values of a tensor ({func.__name__})")
        return func(*args, **(kwargs or {}))


class _Operations(TorchDispatchMode):
    """Records tensor operations, and sees those whose results are numbers, or whose shapes depend on values.

    `make_fx` records the same at many times the cost: it describes every tensor, and imports a compiler.
    """

    def __init__(self, found: list[str]) -> None:
        super().__init__()
        self.found = found
        self.graph = fx.Graph()
        self.constants: dict[str, Any] = {}
        self.nodes = WeakTensorKeyDictionary()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.index.Tensor:  # by numbers it has their shape, by a mask that of its ones
            reads = any(index is not None and index.dtype in (torch.bool, torch.uint8) for index in args[1])
        else:
            reads = bool({torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape} & set(func.tags))
        if reads and not self.found:
            self.found.append(f"the step reads the values of a tensor ({func.name().removeprefix('aten::')}{_place()})")
        if func.namespace == "profiler":
            return func(*args, **(kwargs or {}))
        if func is torch.ops.aten.lift_fresh.default:  # returns its argument, the values given to `torch.tensor`
            func = torch.ops.aten.lift_fresh_copy.default
        node = self.graph.call_function(func, *tree_map(self._node, (args, kwargs or {})))
        result = func(*args, **(kwargs or {}))
        self._name(result, node)
        return result

    def _node(self, value: Any) -> Any:
        """The node that made a tensor, or that holds a tensor or generator from before the step."""
        if not isinstance(value, Tensor | torch.Generator):
            return value
        if isinstance(value, Tensor) and value in self.nodes:
            return self.nodes[value]
        name = f"constant_{len(self.constants)}"
        self.constants[name], node = value, self.graph.get_attr(name)
        if isinstance(value, Tensor):
            self.nodes[value] = node
        return node

    def _name(self, result: Any, node: fx.Node) -> None:
        if isinstance(result, Tensor):
            self.nodes[result] = node
        elif isinstance(result, tuple | list):
            for index, part in enumerate(result):
                self._name(part, self.graph.call_function(operator.getitem, (node, index)))


def _place() -> str:
    """The line of Python that asked for it."""
    inner = ("torch/_", "torch/fx/", "torch/utils/_", "training/recorded.py")
    frames = [f for f in traceback.extract_stack() if not any(part in f.filename for part in inner)]
    return f", {frames[-1].filename}:{frames[-1].lineno}"


@final
class State:
    """All that a record reads and writes: tensors that live longer than the step, and generators of noise."""

    def __init__(self, tensors: list[Tensor], generators: list[torch.Generator]) -> None:
        self.tensors, self.generators = tensors, generators

    def read(self) -> list[Tensor]:
        """Copies."""
        return [tensor.detach().clone() for tensor in self.tensors] + [g.get_state() for g in self.generators]

    @torch.no_grad()
    def write(self, values: list[Tensor]) -> None:
        """Puts back what was read."""
        for tensor, value in zip(self.tensors, values, strict=False):
            tensor.copy_(value)
        for generator, value in zip(self.generators, values[len(self.tensors) :], strict=True):
            generator.set_state(value)


def _are_equal(one: list[Tensor], other: list[Tensor]) -> bool:
    """To the bit; NaN is NaN."""
    return all(bool(((a == b) | ((a != a) & (b != b))).all()) for a, b in zip(one, other, strict=True))


def _make_replay(graph: fx.Graph, constants: dict[str, Any]) -> tuple[Work, State]:
    """The record as a function. Its tensors are plain attributes: those of a module are slower to look up."""
    graph.output(None)
    _simplify(graph)
    names = {str(node.target) for node in graph.nodes if node.op == "get_attr"}
    held = SimpleNamespace(**{name: constants[name] for name in names})
    operations: Any = type(fx.GraphModule(constants, graph)).forward

    def replay() -> None:
        with torch.no_grad():  # the backward pass is among the operations
            operations(held)

    data = set()  # of which only rows are read: by far the largest, never written
    for node in graph.nodes:
        users = [(user.target, user.args[0]) for user in node.users]
        if node.op == "get_attr" and all(user == (torch.ops.aten.index_select.default, node) for user in users):
            data.add(str(node.target))
    kept = [value for name, value in vars(held).items() if name not in data]
    named = [value for value in kept if isinstance(value, torch.Generator)]
    return replay, State([value for value in kept if isinstance(value, Tensor)], [torch.default_generator, *named])


def _simplify(graph: fx.Graph) -> None:
    """Leaves out what has no effect. What draws random numbers stays: other draws come after it."""
    operations = [node.target for node in graph.nodes if isinstance(node.target, torch._ops.OpOverload)]
    # `unsqueeze_` changes a shape in place, and not that of the tensors beside it on the same memory
    same = () if any(torch.Tag.inplace_view in operation.tags for operation in operations) else SAME
    for node in list(graph.nodes):
        if node.op == "call_function" and node.target in same:
            node.replace_all_uses_with(node.args[0])  # type: ignore[arg-type]
            graph.erase_node(node)
    for node in reversed(list(graph.nodes)):
        if not node.users and _is_pure(node):
            graph.erase_node(node)


def _is_pure(node: fx.Node) -> bool:
    if node.op == "get_attr" or node.target is operator.getitem:
        return True
    if not isinstance(node.target, torch._ops.OpOverload) or not node.target._schema.returns:
        return False  # the output, or a check
    return not node.target._schema.is_mutable and torch.Tag.nondeterministic_seeded not in node.target.tags

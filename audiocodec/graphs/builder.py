"""Graphs of ONNX operators, written as expressions: `x @ weight + bias` adds two nodes.

A scope has one precision and collects nodes; a branch is a scope within another, whose values it
sees. Only operators that onnxruntime has for the precision are used: what it lacks in float64 is
composed (`functions.py`). Weights stay in the file that holds them and are cast where they are
used, which the runtime does once, when a session is made.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from audiocodec.extras import extra
from audiocodec.graphs.stored import Stored, StoredTensors

with extra("onnx-export"):
    from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

ONNX_TYPES = {
    "bool": TensorProto.BOOL,
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
    "int8": TensorProto.INT8,
    "uint8": TensorProto.UINT8,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
}


class Names:
    """Unique names of a whole graph, and the tensors that all its scopes share."""

    def __init__(self, stored: StoredTensors) -> None:
        self.stored = stored
        self.initializers: dict[str, TensorProto] = {}
        self._count = 0

    def new(self, stem: str) -> str:
        """A name that no other value has."""
        self._count += 1
        return f"{stem}_{self._count}"


class Scope:
    """Nodes in order, and the precision in which they compute: "float32" or "float64".

    With `int8` the widest products of its layers are of integers of 8 bits.
    """

    def __init__(self, names: Names, dtype: str, int8: bool = False) -> None:
        self.names, self.dtype, self.int8 = names, dtype, int8
        self.nodes: list[NodeProto] = []
        self._known: dict[tuple[str, str], Value] = {}

    def op(self, kind: str, *inputs: "Value | None", **attributes: Any) -> "Value":
        """The value of one operator; None stands for an input that is left out."""
        return self.ops(kind, 1, *inputs, **attributes)[0]

    def ops(
        self, kind: str, outputs: int, *inputs: "Value | None", **attributes: Any
    ) -> "list[Value]":
        """The values of an operator with several outputs."""
        made = [self.names.new(kind.lower()) for _ in range(outputs)]
        given = ["" if value is None else value.name for value in inputs]
        self.nodes.append(helper.make_node(kind, given, made, **attributes))
        return [Value(self, name) for name in made]

    def graph(
        self, inputs: "Sequence[Value]", outputs: "Sequence[Value]", dtypes: Sequence[str]
    ) -> GraphProto:
        """These nodes as the body of a branch or loop; inputs have this scope's precision."""
        given, made = (
            [helper.make_tensor_value_info(v.name, ONNX_TYPES[d], None) for v, d in group]
            for group in (
                [(value, self.dtype) for value in inputs],
                zip(outputs, dtypes, strict=True),
            )
        )
        return helper.make_graph(self.nodes, self.names.new("body"), given, made)

    def in_float64(self) -> "Scope":
        """The same nodes, going on in float64."""
        scope = Scope(self.names, "float64")
        scope.nodes = self.nodes
        return scope

    def value(self, name: str) -> "Value":
        """An input of the graph, or a value of the scope around this one."""
        return Value(self, name)

    def constant(self, values: Any, dtype: str | None = None) -> "Value":
        """A small array, in this scope's precision unless `dtype` says another."""
        array = np.asarray(values, dtype=dtype or self.dtype)
        key = f"{array.dtype} {array.shape} {array.tobytes().hex()}"
        if key not in self.names.initializers:
            tensor = numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape))
            tensor.name = self.names.new("constant")
            self.names.initializers[key] = tensor
        return Value(self, self.names.initializers[key].name)

    def named(self, name: str, value: float) -> "Value":
        """A number that those who read the graph may want to find."""
        tensor = numpy_helper.from_array(np.asarray(value, dtype=self.dtype), name)
        self.names.initializers[name] = tensor
        return Value(self, name)

    def integers(self, values: Any) -> "Value":
        """An int64 constant: axes, shapes, indices."""
        return self.constant(values, "int64")

    def stored(self, tensor: Any, dtype: str | None = None) -> "Value":
        """A weight or a table (torch), from the file that holds it, in this scope's precision."""
        found = self.names.stored.find(tensor)
        target = dtype or self.dtype
        if (found.name, target) not in self._known:
            self._known[found.name, target] = self._load(found, target)
        return self._known[found.name, target]

    def joined(self, tensors: Sequence[Any], dtype: str) -> "Value":
        """Several weights of one shape, one after the other on the first axis."""
        found = [self.names.stored.find(tensor) for tensor in tensors]
        raw = [self._raw(one) for one in found]
        value = concat(raw, axis=0)
        return value if {one.dtype for one in found} == {dtype} else value.cast(dtype)

    def _load(self, found: Stored, dtype: str) -> "Value":
        value = self._raw(found)
        return value if found.dtype == dtype else value.cast(dtype)

    def _raw(self, found: Stored) -> "Value":
        if found.name not in self.names.initializers:
            self.names.initializers[found.name] = found.proto()
        return Value(self, found.name)

    def linear(self, x: "Value", layer: Any) -> "Value":
        """A torch.nn.Linear of the last axis."""
        product = x @ self.stored(layer.weight).transpose(1, 0)
        return product if layer.bias is None else product + self.stored(layer.bias)


class Value:
    """A tensor of the graph; operators add nodes to its scope."""

    def __init__(self, scope: Scope, name: str) -> None:
        self.scope, self.name = scope, name

    def seen_from(self, scope: Scope) -> "Value":
        """The same value in a branch, or in another precision's nodes."""
        return Value(scope, self.name)

    def _other(self, other: "Value | float | np.ndarray") -> "Value":
        return other if isinstance(other, Value) else self.scope.constant(other)

    def __add__(self, other: "Value | float | np.ndarray") -> "Value":
        return self.scope.op("Add", self, self._other(other))

    def __sub__(self, other: "Value | float | np.ndarray") -> "Value":
        return self.scope.op("Sub", self, self._other(other))

    def __rsub__(self, other: float) -> "Value":
        return self.scope.op("Sub", self._other(other), self)

    def __mul__(self, other: "Value | float | np.ndarray") -> "Value":
        return self.scope.op("Mul", self, self._other(other))

    def __truediv__(self, other: "Value | float") -> "Value":
        return self.scope.op("Div", self, self._other(other))

    def __matmul__(self, other: "Value") -> "Value":
        return self.scope.op("MatMul", self, other)

    def __le__(self, other: "Value | float") -> "Value":
        return self.scope.op("LessOrEqual", self, self._other(other))

    def __lt__(self, other: "Value | float") -> "Value":
        return self.scope.op("Less", self, self._other(other))

    def __gt__(self, other: "Value | float") -> "Value":
        return self.scope.op("Greater", self, self._other(other))

    def minimum(self, other: "Value | float") -> "Value":
        return self.scope.op("Min", self, self._other(other))

    def maximum(self, other: "Value | float") -> "Value":
        return self.scope.op("Max", self, self._other(other))

    def cast(self, dtype: str) -> "Value":
        return self.scope.op("Cast", self, to=ONNX_TYPES[dtype])

    def transpose(self, *axes: int) -> "Value":
        return self.scope.op("Transpose", self, perm=list(axes))

    def reshape(self, *shape: int) -> "Value":
        """0 keeps the axis at that place, -1 is what is left."""
        return self.scope.op("Reshape", self, self.scope.integers(shape))

    def unsqueeze(self, *axes: int) -> "Value":
        return self.scope.op("Unsqueeze", self, self.scope.integers(axes))

    def squeeze(self, *axes: int) -> "Value":
        return self.scope.op("Squeeze", self, self.scope.integers(axes))

    def slice(
        self, axis: int, start: "int | Value", stop: "int | Value | None" = None, step: int = 1
    ) -> "Value":
        """As in Python; values are int64 (1,)."""
        scope = self.scope
        ends = [np.iinfo(np.int64).max if end is None else end for end in (start, stop)]
        begin, end = (e if isinstance(e, Value) else scope.integers([e]) for e in ends)
        steps = [] if step == 1 else [scope.integers([step])]
        return scope.op("Slice", self, begin, end, scope.integers([axis]), *steps)

    def take(self, indices: "Value", axis: int = 0) -> "Value":
        return self.scope.op("Gather", self, indices, axis=axis)

    def split(self, sizes: Sequence[int], axis: int = -1) -> "list[Value]":
        return self.scope.ops("Split", len(sizes), self, self.scope.integers(sizes), axis=axis)

    def reduce(self, how: str, *axes: int, keep: bool = False) -> "Value":
        """`how`: Sum, Max, Min, Mean, SumSquare, L2 ..."""
        return self.scope.op(f"Reduce{how}", self, self.scope.integers(axes), keepdims=int(keep))

    def length(self, axis: int) -> "Value":
        """The size of an axis, int64 (1,)."""
        return self.scope.op("Shape", self, start=axis, end=axis + 1)


def concat(values: Sequence[Value], axis: int = -1) -> Value:
    """Joined along an axis; a single value stays as it is."""
    if len(values) == 1:
        return values[0]
    return values[0].scope.op("Concat", *values, axis=axis)

"""Multiply-accumulates and memory against numbers worked by hand."""

import pytest

from compression.edge.arena import NotPlanned, plan
from compression.edge.graph import Graph, Operator, Tensor, read_graph
from compression.edge.macs import COUNTED, UNCOUNTED, NotCounted, macs


def graph(name, shapes, constants=(), inputs=(0,), custom=False):
    """One operator; the last tensor is its output."""
    tensors = tuple(Tensor(f"t{i}", "float32", tuple(s), constant=i in constants) for i, s in enumerate(shapes))
    last = len(tensors) - 1
    operator = Operator(name, tuple(range(last)), (last,), custom)
    return Graph(tensors, (operator,), inputs, (last,), {name: 1}, (name,) if custom else ())


CASES = {
    # 8 x 8 x 16 outputs, each 3 x 3 x 4 products.
    "CONV_2D": ([(1, 8, 8, 4), (16, 3, 3, 4), (16,), (1, 8, 8, 16)], 8 * 8 * 16 * 36),
    # 4 x 4 x 12 outputs (multiplier 3 on 4 channels), each 5 x 5 products.
    "DEPTHWISE_CONV_2D": ([(1, 8, 8, 4), (1, 5, 5, 12), (12,), (1, 4, 4, 12)], 4 * 4 * 12 * 25),
    # 10 outputs, each 64 products.
    "FULLY_CONNECTED": ([(1, 64), (10, 64), (10,), (1, 10)], 640),
    # 4 x 4 x 8 inputs, each scattered to 3 x 3 x 2 places.
    "TRANSPOSE_CONV": ([(4,), (2, 3, 3, 8), (1, 4, 4, 8), (1, 8, 8, 2)], 4 * 4 * 8 * 18),
    # Two matrices 3 x 5 times 5 x 7.
    "BATCH_MATMUL": ([(2, 3, 5), (2, 5, 7), (2, 3, 7)], 2 * 3 * 5 * 7),
    # 2 x 2 x 2 x 4 outputs, each 3 x 3 x 3 x 1 products.
    "CONV_3D": ([(1, 4, 4, 4, 1), (3, 3, 3, 1, 4), (4,), (1, 2, 2, 2, 4)], 32 * 27),
    # 6 steps of time, input 5 -> 4 and state 4 -> 4.
    "UNIDIRECTIONAL_SEQUENCE_RNN": ([(1, 6, 5), (4, 5), (4, 4), (4,), (1, 4), (1, 6, 4)], 6 * (20 + 16)),
    # 6 steps of time, four gates with input 5 -> 4 and state 4 -> 4.
    "UNIDIRECTIONAL_SEQUENCE_LSTM": ([(1, 6, 5), *[(4, 5)] * 4, *[(4, 4)] * 4, (1, 6, 4)], 6 * 4 * (20 + 16)),
}


@pytest.mark.parametrize("name", CASES)
def test_macs_by_hand(name):
    shapes, expected = CASES[name]
    assert macs(graph(name, shapes)) == expected


def test_every_counted_operator_has_a_case():
    assert CASES.keys() == COUNTED.keys()
    assert not COUNTED.keys() & UNCOUNTED.keys()


def test_a_transposed_left_operand_is_seen_by_its_shape():
    assert macs(graph("BATCH_MATMUL", [(5, 3), (5, 7), (3, 7)])) == 3 * 5 * 7


def test_grouped_convolutions_count_the_channels_of_their_group():
    assert macs(graph("CONV_2D", [(1, 8, 8, 4), (16, 3, 3, 2), (16,), (1, 8, 8, 16)])) == 8 * 8 * 16 * 18


def test_other_operators_count_nothing():
    assert macs(graph("ADD", [(1, 8), (1, 8), (1, 8)])) == 0


@pytest.mark.parametrize("name", ["WHILE", "SVDF"])
def test_a_count_that_would_be_too_low_is_none(name):
    with pytest.raises(NotCounted, match=name):
        macs(graph(name, [(1, 8), (1, 8)]))


def test_custom_operators_and_dynamic_shapes_are_not_counted():
    with pytest.raises(NotCounted, match="custom"):
        macs(graph("MyOp", [(1, 8), (1, 8)], custom=True))
    dynamic = Tensor("t", "float32", (1, 1, 4), dynamic=True)
    one = Graph((dynamic, dynamic, dynamic), (Operator("BATCH_MATMUL", (0, 1), (2,)),), (0,), (2,), {}, ())
    with pytest.raises(NotCounted, match="run time"):
        macs(one)


def chain(*sizes):
    """Operators in a row, each from one float tensor to the next."""
    tensors = tuple(Tensor(f"t{i}", "float32", (1, size)) for i, size in enumerate(sizes))
    operators = tuple(Operator("ABS", (i,), (i + 1,)) for i in range(len(sizes) - 1))
    return Graph(tensors, operators, (0,), (len(sizes) - 1,), {"ABS": len(operators)}, ())


def test_the_arena_reuses_what_is_free():
    # Input 64 B at 0, kept; t1 256 B at 64; t2 256 B at 320 (t1 lives); t3 256 B takes t1's place; output 64 B at 320,
    # where t2 was: the arena ends with t2 at 576.
    planned = plan(chain(16, 64, 64, 64, 16))
    assert planned.arena_bytes == 64 + 256 + 256
    assert planned.tensor_bytes == 64 + 3 * 256 + 64


def test_the_arena_is_aligned_and_never_below_what_lives_together():
    assert plan(chain(4, 3)).arena_bytes == 64 + 12
    assert plan(chain(16)).arena_bytes == 64


def test_constants_need_no_arena_and_variables_live_all_the_time():
    weights = Tensor("w", "float32", (100,), constant=True)
    state = Tensor("s", "float32", (1, 16), variable=True)
    value = Tensor("x", "float32", (1, 16))
    one = Graph((value, weights, state, value), (Operator("X", (0, 1, 2), (3,)),), (0,), (3,), {}, ())
    assert plan(one).arena_bytes == 3 * 64


def test_four_bit_values_are_packed_and_strings_are_not_planned():
    assert Tensor("t", "int4", (1, 5)).size_bytes == 3
    assert Tensor("t", "string", (1,)).size_bytes is None
    text = Tensor("t", "string", (1,))
    with pytest.raises(NotPlanned, match="string"):
        plan(Graph((text, text), (Operator("X", (0,), (1,)),), (0,), (1,), {}, ()))


def test_control_flow_is_not_planned(tools):
    with pytest.raises(NotPlanned, match="WHILE"):
        plan(read_graph(tools.endless()))


def test_reading_a_real_file(tools):
    read = read_graph(tools.dense_int8())
    assert (read.dtypes(read.inputs), read.dtypes(read.outputs)) == (("int8",), ("int8",))
    assert read.operator_counts == {"FULLY_CONNECTED": 1}
    assert [tensor.constant for tensor in read.tensors] == [False, True, True, False]
    assert macs(read) == 12
    # Operators of the graphs that control flow runs count too: the device must have them.
    assert read_graph(tools.endless()).operator_counts == {"ABS": 1, "WHILE": 1}


def test_only_the_batch_may_vary(tools):
    def shapes(signature):
        g = tools.G([tools.T([1, 4], signature=signature), tools.T([1, 4])], [tools.Op("ABS", [0], [1])])
        return read_graph(tools.build(g)).tensors[0].dynamic

    assert (shapes(None), shapes([-1, 4]), shapes([1, -1])) == (False, False, True)

"""Every setting of ExecuTorch's quantizer has its place in the solve."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from executorch.backends.qualcomm._passes.seq_mse import SeqMSE
from executorch.backends.qualcomm.quantizer.qconfig import get_8a8w_qnn_ptq_config, get_16a8w_qnn_ptq_config
from executorch.backends.qualcomm.quantizer.quant_recipe import QuantGranularity, QuantRecipe
from executorch.backends.qualcomm.quantizer.quantizer import (
    ModuleQConfig,
    QuantDtype,
    get_submodule_name_predicate,
    get_submodule_type_predicate,
)
from torch import nn
from torchao.quantization.pt2e import HistogramObserver, MinMaxObserver, MovingAverageMinMaxObserver
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
from torchao.quantization.pt2e.quantizer import (
    ComposableQuantizer,
    QuantizationAnnotation,
    QuantizationSpec,
    Quantizer,
)
from torchao.quantization.pt2e.quantizer.quantizer import Q_ANNOTATION_KEY

from qnnsolve import SolveQuantizer
from qnnsolve.errors import UnknownNameError, UnsatisfiableError, UsageError
from qnnsolve.lowering.marks import CPU_KEY
from qnnsolve.results import NodeRecord
from tests.nets import Masked, seeded

SAMPLE = (torch.rand(1, 3, 8, 8),)


class Sum(nn.Module):
    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a + b


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = nn.Conv2d(3, 32, 3, padding=1), nn.Conv2d(32, 32, 1), nn.Conv2d(32, 48, 1)
        self.sum = Sum()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = torch.relu(self.first(x))
        out: torch.Tensor = self.third(self.sum(hidden, self.second(hidden)))
        return out


def prepared(quantizer: Any, model: type[nn.Module] = Net, sample: Any = SAMPLE) -> Any:
    graph = prepare_pt2e(torch.export.export(seeded(model), sample).module(), quantizer)
    graph(*sample)
    return graph


def solved(set_up: Callable[[SolveQuantizer], object], strict: bool = True) -> dict[str, NodeRecord]:
    quantizer = SolveQuantizer("htp", "SM8750", strict)
    set_up(quantizer)
    convert_pt2e(prepared(quantizer))
    assert quantizer.result is not None
    return {node.name: node for node in quantizer.result.nodes}


def widths(nodes: dict[str, NodeRecord]) -> dict[str, str | None]:
    return {name: node.output for name, node in nodes.items()}


def test_a_preset_asks_for_one_scale_per_tensor_unless_channels_are_asked_for() -> None:
    plain = solved(lambda q: q.set_default_quant_config(QuantDtype.use_8a8w))
    assert dict(plain["conv2d"].inputs) == {"x": "u8", "first_weight": "s8", "first_bias": "s32"}
    channels = solved(lambda q: q.set_default_quant_config(QuantDtype.use_16a8w, is_conv_per_channel=True))
    assert dict(channels["conv2d"].inputs)["first_weight"] == "s8/ch0"
    assert set(widths(channels).values()) == {"u16"}


@pytest.mark.parametrize(("dtype", "most"), [(QuantDtype.use_8a8w, 255), (QuantDtype.use_16a8w, 65535)])
def test_symmetric_activations_have_their_zero_point_in_the_middle(dtype: QuantDtype, most: int) -> None:
    quantizer = SolveQuantizer()
    quantizer.set_default_quant_config(dtype, act_symmetric=True)
    converted = convert_pt2e(prepared(quantizer))
    op = torch.ops.quantized_decomposed.quantize_per_tensor.default
    quantized = [node.args for node in converted.graph.nodes if node.target is op and node.args[4] == most]
    assert quantized and {args[2] for args in quantized} == {(most + 1) // 2}


def test_an_observer_observes_and_the_default_one_is_no_wish() -> None:
    def kinds(observer: Any) -> set[str]:
        quantizer = SolveQuantizer()
        quantizer.set_default_quant_config(QuantDtype.use_8a8w, act_observer=observer)
        graph = prepared(quantizer)
        return {type(m).__name__ for name, m in graph.named_modules() if name.startswith("activation_post_process")}

    assert "HistogramObserver" in kinds(HistogramObserver)
    assert kinds(MovingAverageMinMaxObserver) == kinds(None)
    assert "HistogramObserver" not in kinds(None)


def test_an_observer_of_whole_tensors_is_refused_where_channels_are_observed() -> None:
    quantizer = SolveQuantizer()
    quantizer.set_default_quant_config(QuantDtype.use_8a8w, is_conv_per_channel=True)
    for config in quantizer.default_quant_config.per_channel_quant_config_list:
        config.weight = dataclasses.replace(config.weight, observer_or_fake_quant_ctr=HistogramObserver.with_args())
    with pytest.raises(UsageError, match="observer HistogramObserver at first_weight -> conv2d, which is s8/ch0: Hist"):
        prepared(quantizer)


def test_no_scale_is_less_than_the_least_that_is_asked_for() -> None:
    def scales(eps: float | None) -> list[float]:
        quantizer = SolveQuantizer()
        quantizer.set_default_quant_config(QuantDtype.use_8a8w, eps=eps)
        converted = convert_pt2e(prepared(quantizer))
        op = torch.ops.quantized_decomposed.quantize_per_tensor.default
        return [node.args[1] for node in converted.graph.nodes if node.target is op]

    assert min(scales(0.25)) == 0.25
    assert scales(2**-12) == scales(None), "ExecuTorch's own least scale is no wish"


def test_a_submodule_has_a_config_of_its_own_and_the_first_that_matches_counts() -> None:
    wide, narrow = ModuleQConfig(QuantDtype.use_16a8w), ModuleQConfig(QuantDtype.use_8a8w)

    def set_up(quantizer: SolveQuantizer) -> None:
        quantizer.set_default_quant_config(QuantDtype.use_8a8w)
        by_type, by_name = get_submodule_type_predicate("Sum"), get_submodule_name_predicate("sum")
        quantizer.set_submodule_qconfig_list([(by_type, wide), (by_name, narrow)])

    assert widths(solved(set_up)) == {"conv2d": "u8", "relu": "u8", "conv2d_1": "u8", "add": "u16", "conv2d_2": "u8"}


def test_each_convolution_keeps_the_block_size_that_it_was_given() -> None:
    def set_up(quantizer: SolveQuantizer) -> None:
        quantizer.set_default_quant_config(QuantDtype.use_16a4w_block, is_conv_per_channel=True)
        quantizer.set_block_size_map(
            dict.fromkeys(("conv2d_1", "first_weight"), (1, 16, 1, 1)) | {"conv2d_2": (1, 32, 1, 1)}
        )

    nodes = solved(set_up)
    weights = [
        dict(node.inputs)[f"{name}_weight"]
        for node, name in ((nodes["conv2d"], "first"), (nodes["conv2d_1"], "second"), (nodes["conv2d_2"], "third"))
    ]
    assert weights == ["s4/ch0", "s4/block1x16x1x1@0", "s4/block1x32x1x1@0"]


def test_a_block_size_counts_before_the_config_of_the_submodule_that_the_node_is_in() -> None:
    def set_up(quantizer: SolveQuantizer) -> None:
        quantizer.set_default_quant_config(QuantDtype.use_8a8w)
        quantizer.set_submodule_qconfig_list([(lambda node: True, ModuleQConfig(QuantDtype.use_16a4w_block))])
        quantizer.set_block_size_map({"conv2d_1": (1, 4, 1, 1)})

    nodes = solved(set_up)
    assert dict(nodes["conv2d_2"].inputs)["third_weight"] == "s4", "the submodule's config"
    assert dict(nodes["conv2d_1"].inputs)["second_weight"] == "s4/block1x4x1x1@0"


def test_a_block_size_that_does_not_divide_is_refused_with_those_that_would_do() -> None:
    def set_up(quantizer: SolveQuantizer) -> None:
        quantizer.set_default_quant_config(QuantDtype.use_16a4w_block)
        quantizer.set_block_size_map({"conv2d_2": (1, 24, 1, 1)})

    with pytest.raises(UnsatisfiableError, match=r"does not divide 32 input channels \(32, 16, 8, 4, 2 would do\)"):
        solved(set_up)
    assert dict(solved(set_up, strict=False)["conv2d_2"].inputs)["third_weight"] == "s4/ch0", "the nearest to blocks"


@pytest.mark.parametrize("size", [(1, 0, 1, 1), (1, -8, 1, 1), (1, 16.0, 1, 1), (True, 16, 1, 1), (), 16, "16", None])
def test_what_is_no_block_size_is_refused_where_it_is_told(size: Any) -> None:
    told = re.escape(repr(size))
    with pytest.raises(UsageError, match=rf"^set_block_size_map\(\)\['conv2d'\]: a block size has .*, not {told}$"):
        SolveQuantizer().set_block_size_map({"conv2d": size})
    quantizer = SolveQuantizer()
    quantizer.block_size_map = {"conv2d": size}  # past the setter, as some scripts do
    with pytest.raises(UsageError, match="a block size has a whole number above 0"):
        prepared(quantizer)


@pytest.mark.parametrize(
    ("size", "line"),
    [
        ((1, 16), r"a block of 1x16 is none of a weight with 4 dimensions, like 1x16x1x1"),
        ((2, 16, 1, 1), "a block runs along the input channels alone: 1x16x1x1, not 2x16x1x1"),
        ((1, 16, 3, 3), "a block runs along the input channels alone: 1x16x1x1, not 1x16x3x3"),
    ],
)
def test_a_block_that_no_weight_has_is_refused_with_one_that_would_do(size: tuple[int, ...], line: str) -> None:
    def set_up(quantizer: SolveQuantizer) -> None:
        quantizer.set_default_quant_config(QuantDtype.use_16a4w_block)
        quantizer.set_block_size_map({"conv2d_2": size})

    with pytest.raises((UnsatisfiableError, UsageError), match=line):
        solved(set_up)


def test_a_name_of_no_node_in_the_block_map_is_warned_of() -> None:
    with pytest.warns(UserWarning, match="set_block_size_map: no node of this graph is called conv2d_9"):
        solved(lambda q: q.set_block_size_map({"conv2d_9": (1, 16, 1, 1)}))


CONFIG = "takes a ModuleQConfig, like ModuleQConfig(QuantDtype.use_16a8w), not"


@pytest.mark.parametrize(
    ("set_up", "line"),
    [
        (lambda q: q.add_discard_nodes("relu"), "add_discard_nodes takes a list of names, like ['conv2d'], not 'relu'"),
        (lambda q: q.add_discard_ops(torch.ops.aten.relu.default), "add_discard_ops takes a list of ops, like [torch."),
        (
            lambda q: q.add_custom_quant_annotations(annotate_sums),
            "add_custom_quant_annotations takes a list of functions",
        ),
        (
            lambda q: q.set_block_size_map([]),
            "set_block_size_map takes sizes by the names of nodes, like {'con",
        ),
        (lambda q: q.set_submodule_qconfig_list({"head": 1}), "set_submodule_qconfig_list()[0] takes a function of a"),
        (
            lambda q: q.set_submodule_qconfig_list([(bool, QuantDtype.use_8a8w)]),
            f"set_submodule_qconfig_list()[0] {CONFIG} <QuantDtype.use_8a8w: 4>",
        ),
        (
            lambda q: q.set_recipe("head.yaml"),
            "set_recipe takes ExecuTorch's QuantRecipe, not 'head.yaml'; load",
        ),
        (lambda q: setattr(q, "default_quant_config", None), f"default_quant_config {CONFIG} None"),
        (
            lambda q: q.set_submodule_qconfig_list([(lambda node: node.meta["nothing"], ModuleQConfig())]),
            "set_submodule_qconfig_list()[0] at conv2d: KeyError: 'nothing'",
        ),
    ],
)
def test_what_a_setter_does_not_take_is_refused_in_one_line(set_up: Any, line: str) -> None:
    with pytest.raises(UsageError) as caught:
        solved(set_up)
    assert str(caught.value).startswith(line) and "\n" not in str(caught.value)


def test_names_that_are_made_one_by_one_are_discarded() -> None:
    nodes = solved(lambda q: q.add_discard_nodes(name for name in ("conv2d_1",)))
    assert nodes["conv2d_1"].placement.value == "cpu"


def test_discarded_nodes_and_ops_stay_on_the_cpu() -> None:
    by_name = solved(lambda q: q.add_discard_nodes(["conv2d_1"]))
    assert (by_name["conv2d_1"].placement.value, by_name["conv2d"].placement.value) == ("cpu", "npu")
    by_op = solved(lambda q: q.add_discard_ops([torch.ops.aten.add.Tensor]))
    assert [name for name, node in by_op.items() if node.placement.value == "cpu"] == ["add"]
    with pytest.warns(UserWarning, match="no node of this graph is called conv2d_9"):
        solved(lambda q: q.add_discard_nodes(["conv2d_9"]))
    with pytest.raises(UnknownNameError, match="op to discard"):
        SolveQuantizer().add_discard_ops([torch.ops.aten.special_i0.default])


def test_settings_that_are_empty_are_none() -> None:
    def set_up(quantizer: SolveQuantizer) -> None:
        quantizer.set_submodule_qconfig_list([])
        quantizer.set_block_size_map({})
        quantizer.add_custom_quant_annotations([])
        quantizer.add_discard_nodes([])
        quantizer.add_discard_ops([])

    assert solved(set_up) == solved(lambda q: None)


PER_TENSOR = QuantGranularity.PER_TENSOR


def recipe() -> QuantRecipe:
    conv = {torch.ops.aten.conv2d.default}
    made = QuantRecipe(QuantDtype.use_8a8w, False, MinMaxObserver, QuantGranularity.PER_TENSOR)
    made.add_node_target(conv, QuantDtype.use_8a8w, False, MinMaxObserver, QuantGranularity.PER_TENSOR)
    made.add_node_target(conv, QuantDtype.use_16a8w, False, MinMaxObserver, QuantGranularity.PER_CHANNEL)
    block, sizes = QuantGranularity.PER_BLOCK, {"block_size": (1, 16, 1, 1)}
    return made.add_regex(
        {"sec.nd"}, QuantDtype.use_16a4w_block, False, MinMaxObserver, block, priority=2, extra_kwargs=sizes
    )


def test_a_recipe_counts_by_priority_and_then_the_last_added() -> None:
    nodes = solved(lambda q: q.set_recipe(recipe()))
    assert [dict(nodes["conv2d"].inputs)["first_weight"], nodes["conv2d"].output] == ["s8/ch0", "u16"]
    assert dict(nodes["conv2d_1"].inputs)["second_weight"] == "s4/block1x16x1x1@0"
    assert nodes["add"].output == "u8"


def test_with_a_recipe_no_discards_count() -> None:
    def set_up(quantizer: SolveQuantizer) -> None:
        quantizer.add_discard_nodes(["conv2d_1"])
        quantizer.add_discard_ops([torch.ops.aten.add.Tensor])
        quantizer.set_recipe(recipe())

    with pytest.warns(UserWarning, match="a recipe is set, so what add_discard_nodes"):
        nodes = solved(set_up)
    assert {node.placement.value for node in nodes.values()} == {"npu"}


def test_a_recipe_that_asks_for_what_an_op_has_not_is_refused() -> None:
    made = QuantRecipe(QuantDtype.use_8a8w, False, MinMaxObserver, QuantGranularity.PER_TENSOR).add_node_target(
        {torch.ops.aten.add.Tensor}, QuantDtype.use_8a8w, False, MinMaxObserver, QuantGranularity.PER_CHANNEL
    )
    with pytest.raises(UsageError, match=r"^recipe, strategy 0: add "):
        solved(lambda q: q.set_recipe(made))


@pytest.mark.parametrize(
    ("strategy", "line"),
    [
        (lambda r, *rest: r.add_regex({"conv("}, *rest, PER_TENSOR), "'conv(' is no regular expression: missing )"),
        (
            lambda r, *rest: r.add_node_target({torch.ops.aten.conv2d.default}, *rest, QuantGranularity.PER_BLOCK),
            "conv2d (aten.conv2d.default): extra_kwargs has no 'block_size', like (1, 16, 1, 1)",
        ),
    ],
)
def test_a_strategy_that_cannot_be_read_is_named(strategy: Any, line: str) -> None:
    made = QuantRecipe(QuantDtype.use_16a4w_block, False, MinMaxObserver, PER_TENSOR)
    strategy(made, QuantDtype.use_16a4w_block, False, MinMaxObserver)
    with pytest.raises(UsageError) as caught:
        solved(lambda q: q.set_recipe(made))
    assert str(caught.value).startswith(f"recipe, strategy 0: {line}")


def test_a_verbose_recipe_prints_its_summary_as_executorch_does(capsys: pytest.CaptureFixture[str]) -> None:
    made = recipe()
    made.verbose = True
    solved(lambda q: q.set_recipe(made))
    assert "use_16a4w_block/PTQ" in capsys.readouterr().out


def annotate_sums(graph: Any) -> None:
    config = get_16a8w_qnn_ptq_config()
    for node in graph.graph.nodes:
        if node.target is torch.ops.aten.add.Tensor:
            assert node.meta[Q_ANNOTATION_KEY].output_qspec.dtype == torch.uint8, "annotated as ExecuTorch does"
            inputs = dict.fromkeys(node.args, config.input_activation)
            output = config.output_activation
            node.meta[Q_ANNOTATION_KEY] = QuantizationAnnotation(inputs, output, _annotated=True)


def test_custom_annotations_are_pins_named_after_their_function() -> None:
    def set_up(quantizer: SolveQuantizer) -> None:
        quantizer.set_default_quant_config(QuantDtype.use_8a8w)
        quantizer.add_custom_quant_annotations([annotate_sums])

    nodes = solved(set_up)
    assert (nodes["add"].output, set(dict(nodes["add"].inputs).values())) == ("u16", {"u16"})
    assert nodes["conv2d_2"].output == "u8"


def test_a_custom_annotation_that_raises_is_named() -> None:
    def annotate_nothing(graph: Any) -> None:
        raise KeyError("no such layer")

    with pytest.raises(UsageError, match=r"^custom annotation annotate_nothing: KeyError: 'no such layer'"):
        solved(lambda q: q.add_custom_quant_annotations([annotate_nothing]))


def test_a_config_that_a_script_changes_counts_as_it_stands() -> None:
    def set_up(quantizer: SolveQuantizer) -> None:
        config = quantizer.default_quant_config.quant_config
        wide = get_16a8w_qnn_ptq_config()
        config.input_activation = config.output_activation = wide.input_activation

    assert set(widths(solved(set_up)).values()) == {"u16"}


def test_a_width_that_no_backend_has_is_refused() -> None:
    def set_up(quantizer: SolveQuantizer) -> None:
        config = quantizer.default_quant_config
        spec = QuantizationSpec(torch.uint8, MinMaxObserver, quant_min=0, quant_max=31, qscheme=torch.per_tensor_affine)
        config.quant_config.input_activation = config.quant_config.output_activation = spec

    with pytest.raises(UsageError, match="is 5 bits wide; the chip has 2, 4, 8 and 16"):
        solved(set_up)


def test_wishes_are_added_and_wrong_ones_named() -> None:
    nodes = solved(lambda q: q.wish("add=16a", pin=True).wish("second=4w"))
    assert (nodes["add"].output, dict(nodes["conv2d_1"].inputs)["second_weight"]) == ("u16", "s4/ch0")
    with pytest.raises(UsageError, match=r"wish\('conv2d_9=16a'\): nothing in the model is 'conv2d_9'"):
        solved(lambda q: q.wish("conv2d_9=16a"))


@pytest.mark.parametrize("blocks", [False, True])
def test_seq_mse_finds_the_observers_of_weights(blocks: bool) -> None:
    quantizer = SolveQuantizer()
    quantizer.set_default_quant_config(QuantDtype.use_16a4w_block, is_conv_per_channel=True)
    quantizer.set_block_size_map(dict.fromkeys(("conv2d_1", "conv2d_2"), (1, 16, 1, 1)) if blocks else {})
    graph = prepared(quantizer)
    with SeqMSE(graph, 20):
        graph(*SAMPLE)
    observer = getattr(graph, "activation_post_process_5" if blocks else "activation_post_process_1")
    scale, _ = observer.calculate_qparams()
    plain, _ = type(observer).calculate_qparams(observer)
    assert bool((scale <= plain).all()) and bool((scale < plain).any())
    convert_pt2e(graph)


def test_inside_a_composable_quantizer_the_observers_are_bound_too() -> None:
    sample = (torch.rand(1, 4, 8), torch.tensor([[1.0, 1.0, 0.0, 0.0]]))
    alone, composed = SolveQuantizer(precision="16a8w"), SolveQuantizer(precision="16a8w")
    graphs = [prepared(each, Masked, sample) for each in (alone, ComposableQuantizer([composed]))]
    one, other = (convert_pt2e(graph)(*sample) for graph in graphs)
    torch.testing.assert_close(one, other, rtol=0, atol=0)
    assert alone.result is not None and composed.result is not None
    assert composed.result.calibration == alone.result.calibration


def test_of_several_quantizers_the_earlier_counts_and_the_next_takes_what_it_left() -> None:
    sample = (torch.rand(1, 4, 8), torch.tensor([[1.0, 1.0, 0.0, 0.0]]))
    whole = convert_pt2e(prepared(SolveQuantizer(precision="16a8w"), Masked, sample))(*sample)
    second = SolveQuantizer(precision="8a8w")
    both = ComposableQuantizer([SolveQuantizer(precision="16a8w"), second])
    torch.testing.assert_close(convert_pt2e(prepared(both, Masked, sample))(*sample), whole, rtol=0, atol=0)
    first, second = SolveQuantizer(precision="16a8w"), SolveQuantizer(precision="8a8w")
    first.add_discard_nodes(["matmul"])
    converted = convert_pt2e(prepared(ComposableQuantizer([first, second]), Masked, sample))
    assert second.result is not None
    assert {node.output for node in second.result.nodes if node.name == "matmul"} == {"u8"}
    assert {node.output for node in second.result.nodes if node.name == "transpose"} == {"u16"}
    assert not any(node.meta.get("custom", {}).get(CPU_KEY) for node in converted.graph.nodes)


def test_what_an_earlier_quantizer_annotated_is_named_where_it_cannot_hold() -> None:
    class Wrong(Quantizer):  # type: ignore[misc]  # torchao ships no types
        """Asks for what the chip has not: 8 bits into a convolution, and 16 out of it."""

        def annotate(self, model: Any) -> Any:
            config = get_16a8w_qnn_ptq_config()
            for node in model.graph.nodes:
                if node.name == "conv2d":
                    narrow = get_8a8w_qnn_ptq_config().input_activation
                    read = {node.args[0]: narrow}
                    node.meta[Q_ANNOTATION_KEY] = QuantizationAnnotation(read, config.output_activation)
            return model

        def validate(self, model: Any) -> None:
            """Nothing to do."""

    with pytest.raises(UnsatisfiableError, match="is pinned by what an earlier quantizer annotated"):
        prepared(ComposableQuantizer([Wrong(), SolveQuantizer()]))

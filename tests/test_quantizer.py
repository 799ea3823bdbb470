"""The quantizer on real graphs: what is written is what was solved, and torchao accepts it."""

from __future__ import annotations

import operator
from collections.abc import Callable

import pytest
import torch
from executorch.backends.qualcomm.quantizer.quantizer import QnnQuantizer, QuantDtype
from torch import nn
from torchao.quantization.pt2e import MinMaxObserver
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from qnnsolve.errors import UnknownNameError, UnverifiedError
from qnnsolve.lowering.marks import CPU_KEY, CPU_VALUE
from qnnsolve.quantizer import SolveQuantizer
from qnnsolve.results import Placement, Status
from qnnsolve.solver import check


class Block(nn.Module):
    """Convolution, ReLU, a linear, a norm and a matrix product: everything that the archs disagree about."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.linear = nn.Conv2d(3, 8, 3, padding=1), nn.LayerNorm(16), nn.Linear(16, 16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.conv(x)).flatten(2)[:, :, :16]
        y = self.linear(self.norm(y))
        scores: torch.Tensor = torch.bmm(y, y.transpose(1, 2))
        return scores.softmax(dim=-1)


class Unknown(nn.Module):
    """Has an op that no table covers."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        bessel: torch.Tensor = torch.special.i0(torch.relu(x))
        return bessel + x


def prepared(model: nn.Module, quantizer: SolveQuantizer, *shape: int) -> tuple[torch.fx.GraphModule, torch.Tensor]:
    torch.manual_seed(0)
    sample = torch.randn(*shape)
    exported = torch.export.export(model.eval(), (sample,)).module()
    graph = prepare_pt2e(exported, quantizer)
    graph(sample)
    return graph, sample


@pytest.mark.parametrize("precision", ["8a8w", "16a8w", "16a4w", "16a16w", "8a4w"])
@pytest.mark.parametrize("soc", ["SM8350", "SM8750"])
def test_every_preset_gives_a_model_near_the_float_one(precision: str, soc: str) -> None:
    model = Block()
    graph, sample = prepared(model, SolveQuantizer("htp", soc, precision=precision), 1, 3, 8, 8)
    converted = convert_pt2e(graph)
    error = (converted(sample) - model(sample)).abs().max()
    assert error < (0.25 if "4w" in precision else 0.1)


def test_v68_narrows_what_v73_does_not() -> None:
    def chosen(soc: str) -> set[tuple[str, str]]:
        quantizer = SolveQuantizer("htp", soc, precision="16a8w")
        prepared(Block(), quantizer, 1, 3, 8, 8)
        assert quantizer.result is not None
        assert quantizer.result.status is Status.SATISFIABLE
        assert quantizer.result.proof == "optimal"
        return {(d.requested, d.chosen) for d in quantizer.result.deviations}

    assert chosen("SM8350") == {("s16", "u8")}
    assert chosen("SM8750") == set()


def test_shared_sites_share_one_observer() -> None:
    quantizer = SolveQuantizer("htp", "SM8750", precision="8a8w")
    graph, _ = prepared(Block(), quantizer, 1, 3, 8, 8)
    observers = [m for m in graph.modules() if isinstance(m, MinMaxObserver)]
    names = [n.target for n in graph.graph.nodes if n.op == "call_module" and "activation_post" in str(n.target)]
    assert len(observers) < len(names)
    by_name = dict(graph.named_modules(remove_duplicate=False))
    conv = next(n for n in graph.graph.nodes if n.target == torch.ops.aten.conv2d.default)
    relu = next(n for n in graph.graph.nodes if n.target == torch.ops.aten.relu.default)
    (after_conv,), (after_relu,) = list(conv.users), list(relu.users)
    assert by_name[str(after_conv.target)] is by_name[str(after_relu.target)]
    assert by_name[str(after_conv.target)].min_val == 0.0


@pytest.mark.parametrize(("precision", "at_least"), [("16a8w", 1e-4), ("8a8w", 0.0)])
def test_a_16_bit_log_has_no_smaller_scale_than_the_chip_takes(precision: str, at_least: float) -> None:
    class Log(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.log(x.abs() + 1.0)

    graph, _ = prepared(Log(), SolveQuantizer("htp", "SM8750", precision=precision), 1, 4, 8)
    log = next(node for node in graph.graph.nodes if node.target is torch.ops.aten.log.default)
    observer = getattr(graph, next(iter(log.users)).target)
    scale = float(observer.calculate_qparams()[0])
    calibrated = float(observer.max_val - observer.min_val.clamp(max=0)) / (observer.quant_max - observer.quant_min)
    assert scale == pytest.approx(max(calibrated, at_least), rel=1e-4)
    assert calibrated < 1e-4 or not at_least, "the model does not need the floor it is here for"


@pytest.mark.parametrize(("op", "steps"), [(torch.softmax, 8192), (torch.sigmoid, 256)])
def test_what_is_fixed_is_finer_only_where_the_facts_say_so(op: Callable[..., torch.Tensor], steps: int) -> None:
    class Moved(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = x * 0.1 - 5.0
            return (op(y, -1) if op is torch.softmax else op(y)).reshape(64, 4)

    graph, _ = prepared(Moved(), SolveQuantizer("htp", "SM8750", precision="8a8w"), 1, 4, 64)
    (moved,) = (node for node in graph.graph.nodes if node.target is torch.ops.aten.reshape.default)
    scale, zero_point = getattr(graph, next(iter(moved.users)).target).calculate_qparams()
    assert (float(scale), int(zero_point)) == (1 / steps, 0)


@pytest.mark.parametrize(
    ("channels", "told"), [(64, []), (48, ["block size 32 does not divide 48 input channels (16, 8, 4, 2 would do)"])]
)
def test_a_weight_that_blocks_do_not_divide_deviates_and_says_so(channels: int, told: list[str]) -> None:
    quantizer = SolveQuantizer("htp", "SM8750", precision="16a4w_block")
    prepared(nn.Conv2d(channels, 16, 1), quantizer, 1, channels, 4, 4)
    assert quantizer.result is not None
    found = [(d.requested, d.chosen, d.rule, d.reason) for d in quantizer.result.deviations]
    assert found == [("s4/block1x32x1x1@0", "s4/ch0", "QC009", reason) for reason in told]


def test_the_solution_is_what_an_independent_checker_accepts() -> None:
    from qnnsolve.facts.fx import read_graph
    from qnnsolve.opinfo_facts import operator_facts
    from qnnsolve.rules import Facts, problem_of
    from qnnsolve.rules.request import Request, precision

    class Kept(SolveQuantizer):
        def annotate(self, model: torch.fx.GraphModule) -> torch.fx.GraphModule:
            facts = Facts.of(read_graph(model), operator_facts("htp", "V68"), Request.of(precision("16a8w")))
            self.problem = problem_of(facts)
            return super().annotate(model)

    quantizer = Kept("htp", "SM8350", precision="16a8w")
    prepared(Block(), quantizer, 1, 3, 8, 8)
    assert quantizer.solution is not None
    verdict = check(quantizer.problem, quantizer.solution.encodings)
    assert not verdict.violations
    assert verdict.cost == quantizer.solution.cost


def test_strict_names_all_ops_without_facts() -> None:
    with pytest.raises(UnverifiedError, match="special_i0") as caught:
        prepared(Unknown(), SolveQuantizer("htp", "SM8750", strict=True), 1, 4)
    assert [target for _, target in caught.value.nodes] == ["aten.special_i0.default"]


def test_lenient_leaves_them_float_and_says_so() -> None:
    quantizer = SolveQuantizer("htp", "SM8750", strict=False)
    graph, _ = prepared(Unknown(), quantizer, 1, 4)
    assert quantizer.result is not None
    (record,) = [node for node in quantizer.result.nodes if node.target == "aten.special_i0.default"]
    assert record.placement is Placement.CPU
    assert record.output == "float"
    assert quantizer.result.unverified == ((record.name, record.target),)
    tagged = [n.name for n in graph.graph.nodes if n.meta.get("custom", {}).get(CPU_KEY) == CPU_VALUE]
    assert tagged == [record.name] == list(quantizer.cpu_nodes)


def test_it_is_a_qnn_quantizer_and_takes_its_presets() -> None:
    quantizer = SolveQuantizer()
    assert isinstance(quantizer, QnnQuantizer)
    quantizer.set_default_quant_config(QuantDtype.use_16a8w, is_conv_per_channel=True)
    prepared(Block(), quantizer, 1, 3, 8, 8)
    assert quantizer.result is not None
    assert quantizer.result.precision == "16a8w"


def test_unknown_names_are_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="SM8750"):
        SolveQuantizer("htp", "SM8751")
    with pytest.raises(UnknownNameError, match="16a8w"):
        SolveQuantizer("htp", "SM8750", precision="16a8")
    with pytest.raises(UnknownNameError, match="htp"):
        SolveQuantizer("hpt", "SM8750")


@pytest.mark.parametrize(("soc", "narrow"), [("SM8350", True), ("SM8750", False)])
def test_the_factor_of_a_16_bit_convolution_fits_the_chip(soc: str, narrow: bool) -> None:
    graph, _ = prepared(Block(), SolveQuantizer("htp", soc, precision="16a8w"), 1, 3, 8, 8)
    converted = convert_pt2e(graph)
    conv = next(node for node in converted.graph.nodes if node.target == torch.ops.aten.conv2d.default)
    (relu,) = conv.users
    while relu.target != torch.ops.quantized_decomposed.quantize_per_tensor.default:
        (relu,) = relu.users
    weight = (
        converted.get_parameter(name)
        if (name := conv.args[1].args[1].target) in dict(converted.named_parameters())
        else converted.get_buffer(name)
    )
    factors = conv.args[0].args[1] * weight.double() / relu.args[1]
    mantissas, _ = torch.frexp(factors)
    assert bool((mantissas * 2**11 % 1 == 0).all()) == narrow


class Several(nn.Module):
    """Ops with several outputs, which torchao shares by the nodes that take each one out."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.kind == "topk":
            values, _ = torch.relu(x).topk(2, dim=-1)
            return values + 1
        if self.kind == "unbind":
            left, right = torch.unbind(x + 1, 1)
            return left * right
        left, right = torch.split(torch.sigmoid(x + 1) if self.kind == "fixed" else x + 1, 2, dim=1)
        return torch.cat((torch.relu(left), right * 2), dim=1)


def after(graph: torch.fx.GraphModule, node: torch.fx.Node) -> nn.Module:
    """The one observer of what ``node`` yields."""
    found = [user for user in node.users if user.op == "call_module"]
    assert len(found) == 1, node.name
    observer: nn.Module = dict(graph.named_modules(remove_duplicate=False))[str(found[0].target)]
    return observer


@pytest.mark.parametrize("precision", ["8a8w", "16a8w"])
@pytest.mark.parametrize("kind", ["split", "fixed", "unbind", "topk"])
def test_what_is_taken_out_of_a_tuple_shares_the_observer_of_what_went_in(kind: str, precision: str) -> None:
    shape = (2, 2, 6) if kind == "unbind" else (2, 4, 6)
    graph, sample = prepared(Several(kind), SolveQuantizer("htp", "SM8750", precision=precision), *shape)
    items = [node for node in graph.graph.nodes if node.target is operator.getitem]
    floats = [item for item in items if item.meta["val"].is_floating_point()]
    assert len(floats) == (1 if kind == "topk" else 2)
    observers = [after(graph, item) for item in floats]
    source = items[0].args[0].args[0]
    entering = dict(graph.named_modules(remove_duplicate=False))[str(source.target)]
    assert all(observer is entering for observer in observers)
    indices = [item for item in items if item not in floats]
    assert not [user for item in indices for user in item.users if user.op == "call_module"], "indices are observed"
    converted = convert_pt2e(graph)
    grids = {
        tuple(node.args[1:3])
        for node in converted.graph.nodes
        if node.target == torch.ops.quantized_decomposed.quantize_per_tensor.default
        and node.args[0].target is operator.getitem
    }
    assert len(grids) == 1
    assert float((converted(sample) - Several(kind)(sample)).abs().max()) < 0.1


def test_a_constant_for_the_cpu_alone_stays_there_as_it_is() -> None:
    class Normed(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.batch_norm(x, torch.zeros(3), torch.ones(3))

    quantizer = SolveQuantizer("htp", "SM8750", strict=False)
    graph, _ = prepared(Normed(), quantizer, 1, 3, 8, 8)
    assert quantizer.cpu_nodes == {"zeros", "ones", "batch_norm"}
    assert not [name for name, _ in graph.named_modules() if "activation_post_process" in name]


def test_a_deviation_names_whose_wish_counted_where_two_share_an_encoding() -> None:
    quantizer = SolveQuantizer(precision="8a8w")
    quantizer.wish("op:aten.conv2d=8a8w,tensor")
    quantizer.wish("op:aten.relu=16a")
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU())
    prepare_pt2e(torch.export.export(model.eval(), (torch.randn(1, 3, 8, 8),)).module(), quantizer)
    assert quantizer.result is not None
    reasons = {each.site: each.reason for each in quantizer.result.deviations}
    assert reasons["conv2d"] == (
        "it shares its encoding with conv2d -> relu, for which u16 was asked: the activation folds into its producer"
    )
    assert not any("takes no" in reason for reason in reasons.values())  # the rows of the op are not what is in the way

"""Recurrent layers and cells, spelled out, compute what torch computes, with parts that the accelerator has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from qnnsolve import SolveQuantizer, solve
from qnnsolve.errors import UnsupportedGraphError
from qnnsolve.rewriting import prepared
from qnnsolve.rewriting.recurrent import UNROLL_LIMIT, unroll


class Stated(nn.Module):
    """Takes the state as inputs, each by itself, and returns it so."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: torch.Tensor, *state: torch.Tensor) -> Any:
        return self.layer(x, state if len(state) == 2 else state[0])


class Stepped(nn.Module):
    """A cell in a loop of the user's own."""

    def __init__(self, cell: nn.Module) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state, outputs = None, []
        for step in range(x.shape[0]):
            state = self.cell(x[step], state)
            outputs.append(state[0] if isinstance(state, tuple) else state)
        return torch.stack(outputs)


class Streaming(nn.Module):
    """Keeps its state from one call to the next, in a buffer that it writes to."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.GRU(8, 8, batch_first=True)
        self.register_buffer("state", torch.zeros(1, 1, 8))
        self.state: torch.Tensor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y, state = self.layer(x, self.state)
        self.state.copy_(state)
        outputs: torch.Tensor = y
        return outputs


LAYERS: dict[str, tuple[Callable[[], nn.Module], tuple[tuple[int, ...], ...]]] = {
    "lstm": (lambda: nn.LSTM(8, 6), ((5, 2, 8),)),
    "lstm, batch first": (lambda: nn.LSTM(8, 6, batch_first=True), ((2, 5, 8),)),
    "lstm, both ways, two layers": (lambda: nn.LSTM(8, 6, 2, bidirectional=True, dropout=0.5), ((5, 2, 8),)),
    "lstm without bias": (lambda: nn.LSTM(8, 6, bias=False), ((5, 2, 8),)),
    "lstm, projected": (lambda: nn.LSTM(8, 6, 2, proj_size=3, bidirectional=True), ((5, 2, 8),)),
    "lstm, projected, without bias": (lambda: nn.LSTM(8, 6, proj_size=3, bias=False), ((5, 2, 8),)),
    "lstm from a state": (lambda: Stated(nn.LSTM(8, 6, 2)), ((5, 2, 8), (2, 2, 6), (2, 2, 6))),
    "lstm, unbatched": (lambda: nn.LSTM(8, 6), ((5, 8),)),
    "lstm, unbatched, from a state": (lambda: Stated(nn.LSTM(8, 6)), ((5, 8), (1, 6), (1, 6))),
    "lstm of one step": (lambda: nn.LSTM(8, 6), ((1, 2, 8),)),
    "gru": (lambda: nn.GRU(8, 6), ((5, 2, 8),)),
    "gru, both ways, two layers": (lambda: nn.GRU(8, 6, 2, bidirectional=True, batch_first=True), ((2, 5, 8),)),
    "gru without bias": (lambda: nn.GRU(8, 6, bias=False), ((5, 2, 8),)),
    "gru from a state": (lambda: Stated(nn.GRU(8, 6)), ((5, 2, 8), (1, 2, 6))),
    "gru, unbatched": (lambda: nn.GRU(8, 6), ((5, 8),)),
    "rnn": (lambda: nn.RNN(8, 6), ((5, 2, 8),)),
    "rnn with relu": (lambda: nn.RNN(8, 6, nonlinearity="relu", bidirectional=True, bias=False), ((5, 2, 8),)),
    "rnn from a state": (lambda: Stated(nn.RNN(8, 6, batch_first=True)), ((2, 5, 8), (1, 2, 6))),
    "lstm cell": (lambda: nn.LSTMCell(8, 6), ((2, 8),)),
    "lstm cell without bias, from a state": (lambda: Stated(nn.LSTMCell(8, 6, bias=False)), ((2, 8), (2, 6), (2, 6))),
    "lstm cell, unbatched": (lambda: nn.LSTMCell(8, 6), ((8,),)),
    "gru cell": (lambda: nn.GRUCell(8, 6), ((2, 8),)),
    "gru cell from a state": (lambda: Stated(nn.GRUCell(8, 6, bias=False)), ((2, 8), (2, 6))),
    "rnn cell": (lambda: nn.RNNCell(8, 6), ((2, 8),)),
    "rnn cell with relu": (lambda: nn.RNNCell(8, 6, nonlinearity="relu"), ((2, 8),)),
    "lstm cell in a loop": (lambda: Stepped(nn.LSTMCell(8, 6)), ((4, 2, 8),)),
    "gru cell in a loop": (lambda: Stepped(nn.GRUCell(8, 6)), ((4, 2, 8),)),
    "rnn cell in a loop": (lambda: Stepped(nn.RNNCell(8, 6)), ((4, 2, 8),)),
}


def made(name: str) -> tuple[nn.Module, tuple[torch.Tensor, ...]]:
    build, shapes = LAYERS[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build().eval(), tuple(torch.randn(shape) for shape in shapes)


def exported(model: nn.Module, examples: tuple[torch.Tensor, ...]) -> torch.fx.GraphModule:
    graph = torch.export.export(model, examples).module()
    assert isinstance(graph, torch.fx.GraphModule)
    return graph


def flat(result: Any) -> list[torch.Tensor]:
    return [result] if isinstance(result, torch.Tensor) else [each for part in result for each in flat(part)]


@pytest.mark.filterwarnings("ignore:LSTM with projections:UserWarning")  # torch's, of its own kernel
@pytest.mark.parametrize("name", LAYERS)
def test_the_steps_compute_what_the_layer_computes(name: str) -> None:
    model, examples = made(name)
    graph = unroll(exported(model, examples))
    graph.graph.lint()
    targets = {str(node.target) for node in graph.graph.nodes}
    assert "aten.linear.default" in targets
    assert not any(word in target for target in targets for word in ("lstm", "gru", "rnn", "zeros"))
    for mine, torchs in zip(flat(graph(*examples)), flat(model(*examples)), strict=True):
        torch.testing.assert_close(mine, torchs)


def test_all_steps_share_one_projection_of_the_input() -> None:
    model, examples = made("lstm")
    graph = unroll(exported(model, examples))
    linears = [node for node in graph.graph.nodes if node.target is torch.ops.aten.linear.default]
    assert [tuple(node.meta["val"].shape) for node in linears] == [(5, 2, 24), *[(2, 24)] * 4]


def decibels(model: nn.Module, converted: torch.fx.GraphModule, samples: list[tuple[torch.Tensor, ...]]) -> float:
    with torch.no_grad():
        exact, got = (torch.cat([each.flatten() for s in samples for each in flat(f(*s))]) for f in (model, converted))
    return float(10 * torch.log10(exact.pow(2).mean() / (exact - got).pow(2).mean()))


@pytest.mark.parametrize(
    ("name", "precision", "least"),
    [
        ("lstm, both ways, two layers", "16a8w", 45),
        ("lstm from a state", "8a8w", 28),
        ("gru from a state", "16a8w", 45),
        ("gru cell in a loop", "8a8w", 28),
        ("rnn", "16a8w", 45),
    ],
)
def test_every_step_runs_on_the_accelerator(name: str, precision: str, least: float) -> None:
    model, examples = made(name)
    generator = torch.Generator().manual_seed(1)
    samples = [tuple(torch.randn(each.shape, generator=generator) for each in examples) for _ in range(6)]
    quantizer = SolveQuantizer("htp", "SM8350", precision=precision)
    ready = prepare_pt2e(exported(model, examples), quantizer)
    for sample in samples:
        ready(*sample)
    assert quantizer.cpu_nodes == frozenset()
    assert decibels(model, convert_pt2e(ready), samples) > least


def test_a_state_in_a_buffer_goes_from_call_to_call() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Streaming().eval()
    pieces = [torch.randn(1, 3, 8) for _ in range(3)]
    graph = prepared(exported(model, (pieces[0],)))
    with torch.no_grad():
        graph.get_buffer("state").zero_()
        mine = [graph(piece) for piece in pieces]
        model.state.zero_()  # the graph may share it
        torchs = [model(piece) for piece in pieces]
        again = model(pieces[0])
    torch.testing.assert_close(mine, torchs)
    assert not torch.allclose(torchs[0], again)


class Long(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.RNN(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.layer(x)[0]
        return y


def test_a_longer_layer_is_refused_by_name_with_the_way_out() -> None:
    examples = (torch.randn(UNROLL_LIMIT + 1, 1, 2),)
    with pytest.raises(UnsupportedGraphError) as raised:
        solve(Long(), examples)
    said = str(raised.value)
    assert all(word in said for word in ("rnn_tanh", str(UNROLL_LIMIT + 1), str(UNROLL_LIMIT), "--unroll"))
    assert solve(Long(), examples, unroll_limit=UNROLL_LIMIT + 1).nodes


def test_a_layer_that_drops_values_is_refused() -> None:
    examples = (torch.randn(3, 1, 8),)
    graph = exported(nn.GRU(8, 8, 2, dropout=0.5).train(), examples)
    with pytest.raises(UnsupportedGraphError, match=r"\.eval\(\)"):
        unroll(graph)


def test_packed_sequences_are_refused() -> None:
    graph = torch.fx.Graph()
    data = graph.placeholder("data")
    graph.output(graph.call_function(torch.ops.aten.lstm.data, (data,)))
    with pytest.raises(UnsupportedGraphError, match="packed sequences"):
        unroll(torch.fx.GraphModule(nn.Module(), graph))

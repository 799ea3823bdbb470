"""Small models after public reports, as forms: what each was before, beside it (:mod:`benchmarks.reported`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import attrs
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

from benchmarks.sweep.form import Form, Tensor, call, layer

__all__ = ["Reported", "reported"]

_ROWS = (8, 8)
_IMAGE = (1, 3, 16, 16)


@attrs.frozen(eq=False)
class Reported:
    """A model, and what was wrong with it."""

    form: Form
    was: str


class Behind(nn.Module):
    """A linear layer, and ``body`` of what comes out of it."""

    def __init__(self, body: Callable[..., Any], width: int = 8) -> None:
        super().__init__()
        self.linear, self.body = nn.Linear(width, width), body

    def forward(self, x: torch.Tensor, *others: torch.Tensor) -> Any:
        """The body of the linear's output, and of the other inputs."""
        return self.body(self.linear(x), *others)


def _behind(name: str, body: Callable[..., Any], *inputs: tuple[int, ...] | Tensor) -> Form:
    return layer(name, lambda: Behind(body), *(inputs or (_ROWS,)))


def _assigned(at: Any, value: float) -> Callable[[torch.Tensor], torch.Tensor]:
    def body(y: torch.Tensor) -> torch.Tensor:
        y = y.exp()
        y[at] = value
        return y * 2

    return body


def _changed(write: Callable[[torch.Tensor], Any]) -> Callable[[torch.Tensor], torch.Tensor]:
    def body(y: torch.Tensor) -> torch.Tensor:
        y = y.exp()
        write(y)
        return y * 2

    return body


def _view_first(y: torch.Tensor) -> torch.Tensor:
    y = y.exp()
    seen = y.view(4, 16)
    y.add_(1.0)
    return seen * 2


class Streaming(nn.Module):
    """Keeps its last four inputs in a buffer."""

    past: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.register_buffer("past", torch.zeros(1, 4, 8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The sum over what it remembers, and the newest once more."""
        y = self.linear(x)
        self.past[:, :3] = self.past[:, 1:].clone()
        self.past[:, 3:] = y
        summed: torch.Tensor = self.past.sum(1) + y[:, 0]
        return summed


_LOST = "by the library path the write was lost"


def _writes() -> Iterator[Reported]:
    yield Reported(_behind("a slice assigned", _assigned((slice(None), slice(2, 4)), 0.0)), _LOST)
    yield Reported(_behind("a row assigned", _assigned(0, 5.0)), _LOST)
    yield Reported(_behind("a slice scaled in place", _changed(lambda y: y[:, 2:4].mul_(3.0))), _LOST)
    yield Reported(_behind("a flat view raised in place", _changed(lambda y: y.view(-1).add_(1.0))), _LOST)
    yield Reported(_behind("the base of a view raised in place", _view_first), _LOST)
    yield Reported(_behind("squeeze_", lambda y: y.unsqueeze(1).exp().squeeze_(1) * 2), "raised")
    yield Reported(_behind("unsqueeze_", lambda y: y.relu().unsqueeze_(0) * 2), "raised: exit 70")
    yield Reported(layer("streaming buffer", Streaming, (1, 1, 8)), f"{_LOST}: 43 % off")


class Biased(nn.BatchNorm2d):
    """With biases over a range of one's own."""

    def __init__(self, low: float, high: float) -> None:
        super().__init__(12)
        self.wanted = torch.linspace(low, high, 12)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The norm of ``x`` with these biases."""
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.wanted, False, 0.1, self.eps)


class Cut(nn.Module):
    """A convolution, one of whose channels is dead but for its bias."""

    def __init__(self, scale: float, bias: float) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        with torch.no_grad():
            self.conv.weight[1] *= scale
            self.conv.bias[1] = bias  # type: ignore[index]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The convolution."""
        made: torch.Tensor = self.conv(x)
        return made


def _values() -> Iterator[Reported]:
    for low, high in ((-1.0, 3.0), (-3.0, 1.0)):
        yield Reported(
            layer(
                f"batch norm not folded, biases {low:g} to {high:g}",
                lambda low=low, high=high: Biased(low, high),
                (1, 12, 16, 4),
            ),
            "13.8 dB on the emulator, 38.3 converted: its largest bias came out negated" if high > 1 else "right",
        )
    yield Reported(layer("dead channel, bias 0.5", lambda: Cut(0.0, 0.5), _IMAGE), "-0.08 in place of 0.5: 5.0 dB")
    yield Reported(layer("small channel, bias 0.5", lambda: Cut(1e-3, 0.5), _IMAGE), "-0.30 in place of 0.5")
    yield Reported(layer("large bias", lambda: Cut(1.0, 1e3), _IMAGE), "-1.5 in place of 1,000")
    yield Reported(_behind("times 1e5", lambda y: y * 1e5), "0 dB: the constant became 255")
    yield Reported(_behind("plus 1e5", lambda y: y + 1e5), "0 dB: the constant became 255")
    yield Reported(_behind("else 1e5", lambda y: torch.where(y > 0, y, 1e5)), "0 dB: the constant became 255")
    yield Reported(
        _behind(
            "softmax of distances", lambda y: ((y[:, None] * 8 - y[None] * 8).square().sum(-1) * -1 - 150).softmax(-1)
        ),
        "3.3 dB: rows below -127.5 counted as masked",
    )
    for scale, was in ((1e-5, "20 dB"), (1e-6, "0.3 dB"), (1e-20, "0 dB, without a word")):
        yield Reported(_behind(f"small signal, times {scale:g}", lambda y, s=scale: y * s), was)
    yield Reported(
        layer("very different ranges joined", lambda: Mixed(), (16, 8)),
        "the small part lost its values at 8 bits, without a word",
    )


class Mixed(nn.Module):
    """Boxes and scores in one output, as detectors have them."""

    def __init__(self) -> None:
        super().__init__()
        self.boxes, self.scores = nn.Linear(8, 4), nn.Linear(8, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Both, one behind the other."""
        return torch.cat([self.boxes(x) * 300, self.scores(x).sigmoid()], -1)


def _integers() -> Iterator[Reported]:
    index = Tensor((1, 4), "index", below=6)
    bodies: dict[str, Callable[..., Any]] = {
        "row i // 2": lambda y, i: y[:, i[0] // 2],
        "row i // 2 by gather": lambda y, i: y.gather(1, (i // 2)[..., None].expand(-1, -1, 8)),
        "row i % 4": lambda y, i: y[:, i[0] % 4],
        "row i div 2, floor": lambda y, i: y[:, torch.div(i[0], 2, rounding_mode="floor")],
        "row i div 2, trunc": lambda y, i: y[:, torch.div(i[0], 2, rounding_mode="trunc")],
        "i % 3 as an output": lambda y, i: (y, i % 3),
    }
    for name, body in bodies.items():
        yield Reported(_behind(name, body, (1, 6, 8), index), "int64 became float32: exit 70")
    yield Reported(
        _behind("top 3, // and % of their places", lambda y: _places(*y[..., 0].topk(3)), (1, 6, 8)),
        "int64 became float32",
    )
    yield Reported(
        _behind("last token", lambda y, n: y[torch.arange(2), n - 1], (2, 6, 8), Tensor((2,), "index", below=6)),
        "two index tensors: on the CPU",
    )


def _places(values: torch.Tensor, places: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return values, places // 2, places % 2


def _weights() -> Iterator[Reported]:
    yield Reported(
        layer("weight-normed Conv1d", lambda: weight_norm(nn.Conv1d(8, 8, 3)), (1, 8, 20)),
        "exit 3: pass LayoutTransform failed",
    )
    yield Reported(
        layer(
            "weight-normed Conv1d among plain ones",
            lambda: nn.Sequential(
                nn.Conv1d(8, 8, 1),
                nn.ReLU(),
                weight_norm(nn.Conv1d(8, 8, 4, padding=2, groups=2)),
                nn.ReLU(),
                nn.Conv1d(8, 4, 1),
            ),
            (1, 8, 20),
        ),
        "exit 3: pass LayoutTransform failed",
    )
    yield Reported(
        layer("spectral-normed Conv2d", lambda: spectral_norm(nn.Conv2d(3, 8, 3)), _IMAGE),
        "computed weights: on the CPU",
    )
    yield Reported(
        call(
            "scaled weights",
            lambda x, w, b: F.linear(x, w * 0.25, b),
            (4, 16),
            constants=(Tensor((8, 16)), Tensor((8,))),
        ),
        "computed weights: on the CPU",
    )
    yield Reported(
        layer("cross-attention", lambda: Cross(), (1, 6, 32), (1, 10, 32)), "split projection weights: on the CPU"
    )
    yield Reported(
        layer(
            "transformer decoder layer",
            lambda: nn.TransformerDecoderLayer(32, 4, 64, batch_first=True),
            (1, 6, 32),
            (1, 10, 32),
        ),
        "split projection weights: on the CPU",
    )


class Cross(nn.Module):
    """Attention of one sequence to another."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(32, 4, batch_first=True)

    def forward(self, q: torch.Tensor, m: torch.Tensor) -> torch.Tensor:
        """What is seen, without the weights."""
        mixed: torch.Tensor = self.attention(q, m, m, need_weights=False)[0]
        return mixed


class Sampling(nn.Module):
    """The sampling locations of deformable attention: six dimensions, the last two of them point and coordinate."""

    sizes: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.offsets = nn.Linear(32, 32)
        self.register_buffer("sizes", torch.tensor([[8.0, 8.0], [4.0, 4.0]]))

    def forward(self, query: torch.Tensor, centres: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Of the first level, in -1 to 1; and all of them flat."""
        offsets = self.offsets(query).view(1, -1, 4, 2, 2, 2)
        found = centres[:, :, None, None, None, :] + offsets / self.sizes[None, None, None, :, None, :]
        return (2 * found - 1)[:, :, :, 0], found.flatten(2)


class LastStep(nn.Module):
    """A recurrent layer and a linear one of its last step."""

    def __init__(self, kind: Callable[..., nn.Module]) -> None:
        super().__init__()
        self.cells, self.linear = kind(8, 8, batch_first=True), nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The linear of the last step."""
        last: torch.Tensor = self.linear(self.cells(x)[0][:, -1])
        return last


class Boxes(nn.Module):
    """The end of a detector: distances as expectations over bins, by a softmax and a 1x1 convolution of volumes."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.SiLU())
        self.sides = nn.Conv2d(16, 64, 1, groups=4)
        self.mean = nn.Conv3d(16, 1, 1, bias=False)
        self.mean.weight = nn.Parameter(torch.arange(16.0).view(1, 16, 1, 1, 1), requires_grad=False)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The bins, and the distances."""
        bins = self.sides(F.avg_pool2d(self.stem(x), 2, 1, 0, False, True))
        bins = bins.view(1, 4, 16, *bins.shape[-2:]).permute(0, 2, 1, 3, 4)
        return bins, self.mean(bins.softmax(1))[:, 0]


class Filled(nn.Module):
    """Makes its bias anew on each run."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(8, 8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """A linear layer."""
        return F.linear(x, self.weight, torch.full((8,), 0.5))


def _placed() -> Iterator[Reported]:
    yield Reported(
        layer(
            "InstanceNorm without weights",
            lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.InstanceNorm2d(8), nn.ReLU()),
            _IMAGE,
        ),
        "on the CPU",
    )
    yield Reported(
        layer(
            "BatchNorm without weights",
            lambda: nn.Sequential(nn.MaxPool2d(2), nn.BatchNorm2d(3, affine=False), nn.ReLU()),
            _IMAGE,
        ),
        "on the CPU",
    )
    for kind in (nn.LSTM, nn.GRU, nn.RNN):
        yield Reported(
            layer(f"{kind.__name__} of six steps", lambda kind=kind: LastStep(kind), (1, 6, 8)), "on the CPU: no facts"
        )
    yield Reported(
        layer("deformable attention's locations", lambda: Sampling(), (1, 10, 32), Tensor((1, 10, 2), "unit")),
        "six dimensions: on the CPU",
    )
    yield Reported(
        layer("detector's distances", lambda: Boxes(), (1, 3, 32, 32)), "its own figures contradicted the verdict"
    )
    yield Reported(
        layer(
            "depthwise transposed convolution",
            lambda: nn.ConvTranspose2d(8, 8, 4, 2, 1, groups=8, bias=False),
            (1, 8, 9, 9),
        ),
        "on the CPU",
    )
    yield Reported(
        layer("dilated transposed convolution, unbatched", lambda: nn.ConvTranspose2d(2, 2, 3, dilation=2), (2, 7, 7)),
        "exit 3: nothing to delegate",
    )
    yield Reported(
        layer(
            "depthwise convolution, two channels of one, unsqueezed",
            lambda: nn.Sequential(nn.Conv2d(4, 8, 3, groups=4), nn.Unflatten(0, (1, 1))),
            (1, 4, 9, 9),
        ),
        "exit 3: the context binary failed",
    )
    yield Reported(
        _behind("einsum iij->j", lambda y: torch.einsum("iij->j", y.reshape(4, 4, 4))),
        "exit 3: the context binary failed",
    )
    yield Reported(layer("linear with a bias that is made", lambda: Filled(), _ROWS), "on the CPU: no constant bias")
    yield Reported(
        layer("RMSNorm over two dimensions", lambda: nn.RMSNorm((3, 8)), (2, 3, 8)), "raised: missing out variants"
    )
    yield Reported(
        call("split into 70", lambda x: torch.stack([part * 2 for part in x.split(1, 1)]), (1, 70)),
        "raised: numpy's 64 axes",
    )
    yield Reported(_behind("an output of None", lambda y: (y, None)), "exit 70 after a full compile")
    yield Reported(_behind("a constant as output", lambda y: (y, torch.ones(3))), "the runtime refused: error 0x1")
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        word = str(dtype).removeprefix("torch.")
        yield Reported(
            layer(
                f"a model in {word}",
                lambda dtype=dtype: nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 1)).to(dtype),
                Tensor(_IMAGE, dtype=dtype),
            ),
            "blamed on the compiler" if dtype == torch.bfloat16 else "no delegate, and no word",
        )


def reported() -> Iterator[Reported]:
    """Every model."""
    yield from _writes()
    yield from _values()
    yield from _integers()
    yield from _weights()
    yield from _placed()

"""What is spelled out before annotation computes the same, and leaves nothing on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import functional as F
from torchao.quantization.pt2e.quantize_pt2e import prepare_pt2e

from qnnsolve import SolveQuantizer
from qnnsolve.results import Placement
from qnnsolve.rewriting.spelled import SPELLED
from tests.rewriting.exporting import exported, targets

aten = torch.ops.aten
_seed = torch.Generator().manual_seed(0)
X, Y = torch.randn(4, 8, generator=_seed), torch.randn(4, 8, generator=_seed)
SQUARE, ROW = torch.randn(2, 5, 5, generator=_seed), torch.randn(5, generator=_seed)
IMAGE, COLUMNS = torch.randn(2, 3, 8, 9, generator=_seed), torch.randn(2, 18, 72, generator=_seed)
LEFT, RIGHT = torch.randn(3, 4, 5, generator=_seed), torch.randn(4, 5, 2, generator=_seed)
THREE = torch.randn(4, 3, generator=_seed)
VOLUME = torch.randn(1, 3, 4, 5, 6, generator=_seed)
MATRICES = torch.randn(1, 2, 3, 5, 6, generator=_seed)
PLACES = torch.tensor([0, 2, 2])

CASES: dict[str, tuple[Callable[..., Any], tuple[torch.Tensor, ...]]] = {
    "_upsample_bicubic2d_aa.vec": (
        lambda x: F.interpolate(x, (3, 5), mode="bicubic", antialias=True),
        (IMAGE,),
    ),
    "_upsample_bilinear2d_aa.vec": (
        lambda x: F.interpolate(x, scale_factor=0.5, mode="bilinear", antialias=True),
        (IMAGE,),
    ),
    "_upsample_nearest_exact1d.vec": (lambda x: F.interpolate(x, 7, mode="nearest-exact"), (SQUARE,)),
    "_upsample_nearest_exact2d.vec": (
        lambda x: [F.interpolate(x, scale_factor=by, mode="nearest-exact") for by in (2, 1.5)],
        (IMAGE,),
    ),
    "_upsample_nearest_exact3d.vec": (
        lambda x: F.interpolate(x, scale_factor=0.5, mode="nearest-exact"),
        (VOLUME,),
    ),
    "add.Tensor": (lambda x: x + torch.arange(8), (X,)),
    "addbmm.default": (
        lambda x, y, z: torch.addbmm(z, x, y, beta=0.5, alpha=2.0),
        (SQUARE[:, :3], SQUARE, SQUARE[0, :3]),
    ),
    "aminmax.default": (lambda x: (*torch.aminmax(x, dim=1), *torch.aminmax(x)), (X,)),
    "avg_pool2d.default": (lambda x: F.avg_pool2d(x, 3, 2, 1, divisor_override=4), (IMAGE,)),
    "avg_pool3d.default": (lambda x: F.avg_pool3d(x, (2, 1, 3), divisor_override=4), (VOLUME,)),
    "cdist.default": (lambda x, y: [torch.cdist(x, y, p) for p in (1.0, 3.0, torch.inf)], (X, Y)),
    "celu.default": (lambda x: F.celu(x, 0.7), (X,)),
    "col2im.default": (lambda x: F.fold(x, (8, 9), (2, 3), padding=(0, 1), stride=1)[:, :, 1:], (COLUMNS[..., :63],)),
    "copysign.Tensor": (torch.copysign, (X, Y)),
    "cumprod.default": (lambda x: x.cumprod(1), (X,)),
    "deg2rad.default": (torch.deg2rad, (X,)),
    "diag.default": (lambda x, y: (torch.diag(x, 1), torch.diag(y, -1)), (X, ROW)),
    "diag_embed.default": (lambda x: (torch.diag_embed(x), torch.diag_embed(x, -2, 0, 2)), (X,)),
    "diagonal.default": (lambda x: (x.diagonal(1, 1, 2) * 2, x.diagonal(-2, 2, 0) * 2), (SQUARE,)),
    "diagonal_copy.default": (lambda x: torch.diagonal_copy(x, -1), (X,)),
    "diagonal_scatter.default": (lambda x, y: torch.diagonal_scatter(x, y[:, :4], -1, 1, 2), (SQUARE, SQUARE[:, 0])),
    "div.Tensor": (lambda x: x / torch.arange(1, 9), (X,)),
    "dist.default": (torch.dist, (X, Y)),
    "exp2.default": (torch.exp2, (X,)),
    "float_power.Tensor_Scalar": (lambda x: torch.float_power(x.abs() + 0.1, 1.5).float(), (X,)),
    "fmax.default": (torch.fmax, (X, Y)),
    "fmin.default": (torch.fmin, (X, Y)),
    "frac.default": (torch.frac, (X,)),
    "hardshrink.default": (F.hardshrink, (X,)),
    "heaviside.default": (lambda x, y: torch.heaviside(x.relu(), y), (X, Y)),
    "hypot.default": (torch.hypot, (X, Y)),
    "im2col.default": (lambda x: F.unfold(x, (3, 2), dilation=(1, 2), padding=(1, 0), stride=(2, 1)), (IMAGE,)),
    "index_add.default": (lambda x, y: x.index_add(1, PLACES, y[:, :3], alpha=0.5), (X, Y)),
    "index_fill.int_Scalar": (lambda x: x.index_fill(1, PLACES, 0.5), (X,)),
    "index_fill.int_Tensor": (lambda x, y: x.index_fill(0, PLACES, y.sum()), (X, Y)),
    "isclose.default": (lambda x, y: torch.isclose(x, y, rtol=0.5), (X, Y)),
    "isnan.default": (lambda x: torch.isnan(x * 2), (X,)),
    "einsum.default": (
        lambda x: [
            torch.einsum(of, *[x] * (of.count(",") + 1)) for of in ("bii->b", "...ii->...i", "bii, bij", "bii", "bii->")
        ],
        (SQUARE,),
    ),
    "real.default": (lambda x: x.real * 2, (X,)),
    "linalg_diagonal.default": (lambda x: torch.linalg.diagonal(x, offset=1), (SQUARE,)),
    "logaddexp2.default": (torch.logaddexp2, (X, Y)),
    "logical_not.default": (lambda x: x.relu().logical_not(), (X,)),
    "logit.default": (lambda x: torch.logit(x.sigmoid(), 0.2), (X,)),
    "matmul.default": (
        lambda x, y: (x @ y[0, 0], x @ y.relu(), x @ y[:, :1]),
        (MATRICES, MATRICES.mT.contiguous()),
    ),
    "median.default": (torch.median, (X,)),
    "median.dim": (lambda x: x.median(1)[0], (X,)),
    "mul.Tensor": (lambda x, y: (x * (y > 0), torch.arange(4)[:, None] * x), (X, Y)),
    "nan_to_num.default": (lambda x: torch.nan_to_num(x * 2, 0.5), (X,)),
    "nanmean.default": (lambda x: ((x * 2).nanmean(), (x * 2).nanmean(1, True)), (X,)),
    "nansum.default": (lambda x: ((x * 2).nansum(), (x * 2).nansum(1)), (X,)),
    "pad.default": (
        lambda x: (
            F.pad(x, (2, 1, 0, 3), mode="replicate"),
            F.pad(x, (2, -1, 1, 0), mode="circular"),
            F.pad(x, (-1, 2, 0, -3), value=0.5),
            F.pad(x, (-1, -2)),
        ),
        (IMAGE,),
    ),
    "pairwise_distance.default": (lambda x, y: F.pairwise_distance(x, y, keepdim=True), (X, Y)),
    "positive.default": (lambda x: torch.positive(x) + 1, (X,)),
    "pow.Tensor_Tensor": (lambda x, y: (x[:1].abs() + 0.5).pow(y), (X, Y)),
    "prod.default": (lambda x: x.prod(), (ROW,)),
    "prod.dim_int": (lambda x: x.prod(1, True), (X[:, :7],)),
    "quantile.scalar": (lambda x: (x.quantile(0.3, 1, True), x.quantile(0.5), x.quantile(1.0, 0)), (X[:3],)),
    "repeat.default": (lambda x: (x * 2).repeat(2, 1, 3), (X,)),
    "replication_pad1d.default": (lambda x: aten.replication_pad1d(x, (2, 1)), (SQUARE,)),
    "replication_pad2d.default": (lambda x: aten.replication_pad2d(x, (2, 0, 1, 1)), (IMAGE,)),
    "replication_pad3d.default": (lambda x: aten.replication_pad3d(x, (2, 0, 1, 1, 0, 1)), (VOLUME,)),
    "rsub.Tensor": (lambda x, y: torch.rsub(x, y, alpha=2.0), (X, Y)),
    "rad2deg.default": (torch.rad2deg, (X,)),
    "sgn.default": (torch.sgn, (X,)),
    "signbit.default": (torch.signbit, (X,)),
    "mish.default": (F.mish, (X,)),
    "softplus.default": (lambda x: (F.softplus(x, 2.0), F.softplus(x, 1.0, 0.5)), (X,)),
    "softshrink.default": (F.softshrink, (X,)),
    "trace.default": (torch.trace, (X,)),
    "sub.Tensor": (lambda x: torch.arange(8) - x, (X,)),
    "tril.default": (lambda x: x.tril(1), (SQUARE,)),
    "triu.default": (lambda x: x.triu(-1), (X,)),
    "upsample_linear1d.vec": (
        lambda x: [F.interpolate(x, 9, mode="linear", align_corners=each) for each in (True, False)],
        (SQUARE,),
    ),
    "upsample_nearest1d.vec": (lambda x: F.interpolate(x, scale_factor=1.7), (SQUARE,)),
    "upsample_nearest2d.vec": (lambda x: F.interpolate(x, (5, 13)), (IMAGE,)),
    "upsample_nearest3d.vec": (lambda x: F.interpolate(x, scale_factor=2), (VOLUME,)),
    "upsample_trilinear3d.vec": (lambda x: F.interpolate(x, scale_factor=1.5, mode="trilinear"), (VOLUME,)),
    "xlogy.Tensor": (lambda x, y: torch.xlogy(x.relu(), y.abs() + 0.1), (X, Y)),
}


class _Depthwise(torch.nn.Module):
    """Over volumes, other in each dimension."""

    def __init__(self) -> None:
        super().__init__()
        self.taps = torch.nn.Parameter(torch.randn(3, 1, 3, 2, 3, generator=_seed))
        self.added = torch.nn.Parameter(torch.randn(3, generator=_seed))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = aten.conv3d(x, self.taps, self.added, [2, 1, 1], [1, 0, 1], [1, 2, 1], 3)
        return made


CASES["conv3d.default"] = (_Depthwise(), (VOLUME,))
CASES |= {
    "log_softmax.int": (lambda x: (x[:, :1] * 2).log_softmax(1), (X,)),
    "cumulative_trapezoid.dx": (lambda x: torch.cumulative_trapezoid(x, dx=0.5, dim=0), (X,)),
    "cumulative_trapezoid.x": (lambda y, x: torch.cumulative_trapezoid(y, x), (X, Y)),
    "diagflat.default": (lambda x, y: (torch.diagflat(x, 1), torch.diagflat(y)), (THREE, ROW)),
    "ldexp.Tensor": (lambda x: torch.ldexp(x, torch.arange(8)), (X,)),
    "linalg_matrix_power.default": (lambda x: [torch.linalg.matrix_power(x, n) for n in (1, 2, 3, 6)], (SQUARE / 3,)),
    "linalg_vecdot.default": (lambda x, y: (torch.linalg.vecdot(x, y), torch.linalg.vecdot(x, y, dim=0)), (X, Y)),
    "trapezoid.dx": (lambda x: (torch.trapezoid(x), torch.trapezoid(x, dx=0.5, dim=0)), (X,)),
    "trapezoid.x": (
        lambda y, x: (torch.trapezoid(y, x), torch.trapezoid(y, x[0]), torch.trapezoid(y, x, dim=0)),
        (X, Y),
    ),
    "type_as.default": (lambda x, y: x.type_as(y) * y, (X, Y)),
}

TORCHS_OWN: dict[str, tuple[Callable[..., Any], tuple[torch.Tensor, ...]]] = {
    "addmv.default": (lambda x: torch.addmv(x[0, :4], x[:4], x[:, 4], beta=0.5, alpha=2.0), (SQUARE[0],)),
    "addr.default": (lambda x: torch.addr(x, x[:, 0], x[1], beta=0.5, alpha=2.0), (SQUARE[0],)),
    "cartesian_prod.default": (lambda x, y: torch.cartesian_prod(x, y), (ROW, ROW[:3])),
    "cross.default": (lambda x: torch.cross(x, x.flip(0), dim=1), (THREE,)),
    "diff.default": (lambda x: (x.diff(dim=1), x.diff(2, 0)), (X,)),
    "inner.default": (torch.inner, (X, Y)),
    "kron.default": (torch.kron, (THREE, ROW[None])),
    "linalg_cross.default": (lambda x: torch.linalg.cross(x, x.flip(0)), (THREE,)),
    "linalg_multi_dot.default": (lambda x: torch.linalg.multi_dot([x, x.mT, x]), (X,)),
    "linalg_matrix_norm.str_ord": (torch.linalg.matrix_norm, (SQUARE,)),
    "tensordot.default": (lambda x, y: torch.tensordot(x, y, dims=([1, 2], [0, 1])), (LEFT, RIGHT)),
    "vdot.default": (lambda x: torch.vdot(x, x + 1), (ROW,)),
}


def prepared(module: Any, soc: str = "SM8350") -> tuple[Any, list[str]]:
    """``module`` as it is calibrated, and what was left on the CPU."""
    quantizer = SolveQuantizer("htp", soc, precision="16a8w")
    made = prepare_pt2e(module, quantizer)
    assert quantizer.result is not None
    return made, [node.target for node in quantizer.result.nodes if node.placement is Placement.CPU]


def test_every_definition_has_a_case() -> None:
    assert {str(target) for target in SPELLED} == {f"aten.{name}" for name in CASES}


@pytest.mark.filterwarnings("ignore:float64 is taken to float32:UserWarning")
@pytest.mark.parametrize("name", [*CASES, *TORCHS_OWN])
def test_it_computes_the_same_on_the_accelerator_alone(name: str) -> None:
    compute, inputs = (CASES | TORCHS_OWN)[name]
    module = exported(compute, inputs)
    assert f"aten.{name}" in targets(module), "the model does not have the target it is here for"
    made, on_cpu = prepared(module)
    torch.testing.assert_close(made(*inputs), compute(*inputs))
    assert on_cpu == (["aten.to.dtype"] * 2 if "float_power" in name else [])


@pytest.mark.parametrize(
    ("compute", "inputs", "named"),
    [
        (lambda x: torch.nan_to_num(x * 2, posinf=3.0), (X,), "aten.nan_to_num.default"),
        (lambda x: torch.nan_to_num(x), (X,), "aten.nan_to_num.default"),
        (torch.isinf, (X,), "aten.isinf.default"),
        (lambda x: x.cumprod(0), (torch.arange(1, 5),), "aten.cumprod.default"),
        (lambda x: x.quantile(0.3, 1, interpolation="lower"), (X,), "aten.quantile.scalar"),
        (lambda x: torch.isclose(x, x, equal_nan=True), (X,), "aten.isclose.default"),
        (lambda x: x.tril(), (torch.arange(16).reshape(4, 4),), "aten.tril.default"),
    ],
)
def test_other_forms_stay_whole(compute: Callable[..., Any], inputs: tuple[torch.Tensor, ...], named: str) -> None:
    transformed = SolveQuantizer().transform_for_annotation(exported(compute, inputs))
    assert named in targets(transformed)
    torch.testing.assert_close(transformed(*inputs), compute(*inputs))


def test_complex_numbers_are_no_whole_ones() -> None:
    compute: Callable[..., Any] = lambda x, y: torch.view_as_real(torch.view_as_complex(x.view(4, 4, 2)) * y[:, :4])  # noqa: E731
    transformed = SolveQuantizer().transform_for_annotation(exported(compute, (X, Y)))
    torch.testing.assert_close(transformed(X, Y), compute(X, Y))


@pytest.mark.parametrize("shape", [(4, 8), (5, 5), (7, 2), (3, 3, 3)])
@pytest.mark.parametrize("wrap", [False, True])
def test_a_diagonal_is_filled(shape: tuple[int, ...], wrap: bool) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    compute: Callable[..., Any] = lambda x: (x * 1).fill_diagonal_(0.3, wrap)  # noqa: E731
    made, on_cpu = prepared(exported(compute, (x,)))
    torch.testing.assert_close(made(x), compute(x))
    assert not on_cpu


def test_a_diagonal_that_is_written_through_a_view_reaches_the_matrix() -> None:
    def compute(x: torch.Tensor) -> torch.Tensor:
        made = x @ x.mT
        made.diagonal(0, 1, 2).add_(1.0)
        return made

    made, on_cpu = prepared(exported(compute, (SQUARE,)))
    torch.testing.assert_close(made(SQUARE), compute(SQUARE))
    assert not on_cpu


def test_a_logarithmic_softmax_of_a_vector_is_one_of_a_row() -> None:
    compute: Callable[..., Any] = lambda x: x.log_softmax(0) + 1  # noqa: E731
    made, on_cpu = prepared(exported(compute, (ROW,)))
    torch.testing.assert_close(made(ROW), compute(ROW))
    assert not on_cpu

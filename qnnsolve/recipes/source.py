"""A saved recipe as source for ExecuTorch's ``QuantRecipe``: :func:`quant_recipe_source`.

A ``QuantRecipe`` picks a preset by the op or by a pattern in the path of the module. It knows no single nodes and no
ports: what it cannot say stands as a comment in the source.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

import attrs

from qnnsolve import __version__
from qnnsolve.encodings import Encoding, QScheme
from qnnsolve.errors import UsageError
from qnnsolve.recipes.recipe import Recipe
from qnnsolve.rules.alike import label, parts
from qnnsolve.rules.request import PRECISIONS
from qnnsolve.rules.target import PRECISION
from qnnsolve.rules.wishes import By, What

__all__ = ["quant_recipe_source"]


@attrs.frozen
class _Preset:
    """What a strategy of a QuantRecipe sets."""

    name: str
    granularity: str = "PER_TENSOR"
    block: tuple[int, ...] | None = None
    symmetric: bool = False

    def arguments(self) -> list[str]:
        """As keyword arguments."""
        found = [
            f"quant_dtype=QuantDtype.use_{self.name}",
            "is_qat=False",
            "act_observer=MovingAverageMinMaxObserver",
            f"granularity=QuantGranularity.{self.granularity}",
        ]
        found += [f"act_symmetric={self.symmetric}"] if self.symmetric else []
        return [*found, f"extra_kwargs={{'block_size': {self.block}}}"] if self.block else found


@attrs.frozen
class _Called:
    """A call as a recipe saved it; ``preset`` is None where no preset is like it."""

    key: str
    op: str
    module: str
    preset: _Preset | None


def quant_recipe_source(recipe: Recipe) -> str:
    """A module with a function ``recipe()``, for ``QnnQuantizer.set_recipe``.

    Raises:
        UsageError: the recipe was not saved from a solve.
    """
    calls = tuple(_calls(recipe))
    if not calls:
        raise UsageError("a recipe without saved nodes has no QuantRecipe source: save it from a solve")
    default = _Preset(recipe.precision or PRECISION)
    by_op = dict(_by_op(calls, default))
    rest = [call for call in calls if call.preset != by_op.get(call.op, default)]
    by_module = _by_module(calls, {call.module for call in rest if call.preset is not None})
    lost = [call for call in rest if call.preset is None or call.preset != by_module.get(call.module)]
    lines = [f"QuantRecipe(\n{_indented(default.arguments())})"]
    for preset in sorted({*by_op.values()}, key=str):
        ops = ", ".join(f"torch.ops.{op}" for op, its in sorted(by_op.items()) if its == preset)
        lines.append(f".add_node_target(\n{_indented([f'targets={{{ops}}}', *preset.arguments()])})")
    for module, preset in by_module.items():
        pattern = f"^(L\\['self'\\]\\.)?{re.escape(module)}$"
        given = [f"regex={{{pattern!r}}}", *preset.arguments(), f"priority={3 + module.count('.')}"]
        lines.append(f".add_regex(\n{_indented(given)})")
    return _FRAME.format(
        about="".join(f"\n{key}: {said}" for key, said in recipe.about.items()).replace("\\", "\\\\").replace('"', "'"),
        version=__version__,
        lost="".join(f"# - {_comment(call)}\n" for call in lost) or "# - nothing\n",
        chain="\n".join(f"        {line}" for text in lines for line in text.splitlines()),
    )


_FRAME = '''"""A quantization recipe, written by qnnsolve {version}.
{about}
"""

import torch
from executorch.backends.qualcomm.quantizer.quant_recipe import QuantGranularity, QuantRecipe
from executorch.backends.qualcomm.quantizer.quantizer import QuantDtype
from torchao.quantization.pt2e import MovingAverageMinMaxObserver

# What a QuantRecipe cannot say:
{lost}

def recipe() -> QuantRecipe:
    return (
{chain}
    )
'''


def _indented(arguments: Iterable[str]) -> str:
    return "".join(f"    {each},\n" for each in arguments)


def _comment(call: _Called) -> str:
    had = "stays on the CPU, or is at widths of no preset" if call.preset is None else f"is at {call.preset.name}"
    return ascii(f"{label(call.key)} {had}")[1:-1]


def _calls(recipe: Recipe) -> Iterator[_Called]:
    ports: dict[str, dict[str, What]] = {}
    for wish in recipe.wishes:
        if wish.where.by is By.SAVED:
            ports.setdefault(wish.where.key, {})[wish.where.port] = wish.what
    for key, said in ports.items():
        _, op, module = parts(key)
        if op.startswith("aten."):
            encodings = {port: what.encoding for port, what in said.items() if what.encoding is not None}
            yield _Called(key, op, module, _preset(encodings, recipe.precision or PRECISION))


def _preset(ports: Mapping[str, Encoding], default: str) -> _Preset | None:
    """The preset whose widths a call has at its output and its weight."""
    activation = ports.get("out") or ports.get("in[0]")
    weight = ports.get("weight")
    if activation is None:
        return None
    width = str(activation.bits) if activation.quantized else "fp16"
    blocks = weight is not None and weight.qscheme is QScheme.PER_BLOCK_SYMMETRIC
    wanted = [f"{width}a{weight.bits}w{'_block' if blocks else ''}"] if weight is not None else [default, f"{width}a8w"]
    name = next((each for each in wanted if each in PRECISIONS and each.startswith(f"{width}a")), None)
    if name is None:
        return None
    granularity = {QScheme.PER_BLOCK_SYMMETRIC: "PER_BLOCK", QScheme.PER_CHANNEL_SYMMETRIC: "PER_CHANNEL"}
    symmetric = activation.qscheme is QScheme.PER_TENSOR_SYMMETRIC and activation.name.startswith("u")
    if weight is None:
        return _Preset(name, symmetric=symmetric)
    return _Preset(name, granularity.get(weight.qscheme, "PER_TENSOR"), weight.block_size, symmetric)


def _by_op(calls: Iterable[_Called], default: _Preset) -> Iterator[tuple[str, _Preset]]:
    """Ops most of whose calls have one preset that is not the default."""
    counts: dict[str, dict[_Preset, int]] = {}
    for call in calls:
        if call.preset is not None:
            of_op = counts.setdefault(call.op, {})
            of_op[call.preset] = of_op.get(call.preset, 0) + 1
    for op, presets in counts.items():
        most = max(presets, key=lambda each: (presets[each], str(each)))
        if most != default:
            yield op, most


def _by_module(calls: Iterable[_Called], deviating: set[str]) -> dict[str, _Preset]:
    """Presets of whole modules: of those that deviate, and of the modules inside them, since a pattern reaches these
    too.

    A module in which, or inside which, calls of one module have several presets is left out: a pattern would change
    them all.
    """
    presets: dict[str, set[_Preset | None]] = {}
    for call in calls:
        presets.setdefault(call.module, set()).add(call.preset)
    found: dict[str, _Preset] = {}
    for outer in sorted(deviating - {""}):
        inside = {module: its for module, its in presets.items() if f"{module}.".startswith(f"{outer}.")}
        only = {module: next(iter(its)) for module, its in inside.items() if len(its) == 1}
        said = {module: preset for module, preset in only.items() if preset is not None}
        if len(said) == len(inside):
            found |= said
    return found

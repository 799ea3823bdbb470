"""ExecuTorch's settings of a quantizer, read as wishes: presets, submodules, blocks, discards and recipes.

ExecuTorch's own objects (``ModuleQConfig``, ``QuantRecipe``, 1.5.1) say which config counts at a node. So their
priorities hold, and a config that a script has changed by hand counts as it is.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Protocol

import attrs
import torch
from executorch.backends.qualcomm.quantizer.qconfig import QuantizationConfig
from executorch.backends.qualcomm.quantizer.quantizer import ModuleQConfig
from torch.fx import GraphModule
from torch.fx import Node as FxNode
from torchao.quantization.pt2e.quantizer import QuantizationSpec

from qnnsolve.annotating.named_observers import NamedObservers, least_scale
from qnnsolve.annotating.told import block_map, block_size_of, config_of, missing_names, strategy_config
from qnnsolve.errors import UsageError
from qnnsolve.foreign import foreign
from qnnsolve.rules.request import Granularity, Request
from qnnsolve.rules.wishes import By, Strength, What, Where, Wish

__all__ = ["Settings", "default_request", "range_of", "settings_wishes"]


class Settings(Protocol):
    """What ExecuTorch's quantizer keeps of its settings."""

    default_quant_config: Any
    submodule_qconfig_list: Sequence[tuple[Callable[[FxNode], bool], Any]]
    block_size_map: Mapping[str, tuple[int, ...]]
    discard_nodes: Collection[str]
    supported_ops: Collection[Any]
    quant_ops: Collection[Any]
    recipe: Any


@attrs.frozen(eq=False)
class _Picked:
    """The config of a node, and who set it."""

    config: QuantizationConfig
    words: str
    block_size: tuple[int, ...] | None = None


def default_request(config: ModuleQConfig) -> Request:
    """What a preset of ExecuTorch's asks for where nothing else is set.

    Raises:
        UsageError: its specs say what no backend has.
    """
    what = _what(config.quant_config, "set_default_quant_config", NamedObservers())
    return what.over(Request(8, 8, Granularity.TENSOR))


def settings_wishes(
    settings: Settings, model: GraphModule, observers: NamedObservers, *, default_is_set: bool
) -> tuple[Wish, ...]:
    """The wishes that stand for ``settings`` on ``model``, the weakest first. Observers get names in ``observers``.

    Raises:
        UsageError: a config says what no backend has.
    """
    calls = [node for node in model.graph.nodes if node.op == "call_function"]
    nothing_set = not (default_is_set or settings.submodule_qconfig_list or settings.block_size_map)
    if settings.recipe is None and nothing_set:
        return tuple(_discards(settings, model, calls))
    pick = _recipe_picks(settings.recipe) if settings.recipe is not None else _picks(settings, default_is_set)
    groups: dict[tuple[int, str, tuple[int, ...] | None], tuple[_Picked, list[str]]] = {}
    for node in calls:
        picked = pick(node)
        if picked is not None:
            key = (id(picked.config), picked.words, picked.block_size)
            groups.setdefault(key, (picked, []))[1].append(node.name)
    wishes = [wish for picked, names in groups.values() for wish in _wishes(picked, names, observers)]
    if settings.recipe is None:
        missing_names(model, settings.block_size_map, "set_block_size_map")
        return (*wishes, *_discards(settings, model, calls))
    if settings.recipe.verbose:
        print(settings.recipe.summary())
    if settings.discard_nodes or set(settings.supported_ops) != set(settings.quant_ops):
        warnings.warn(
            "a recipe is set, so what add_discard_nodes and add_discard_ops were told does not count", stacklevel=2
        )
    return tuple(wishes)


def _picks(settings: Settings, default_is_set: bool) -> Callable[[FxNode], _Picked | None]:
    """Block over submodule over per channel over default, as ExecuTorch picks them."""
    blocks = block_map(settings.block_size_map)

    def is_it(index: int, node: FxNode) -> bool:
        with foreign(f"set_submodule_qconfig_list()[{index}] at {node.name}"):
            found, _ = settings.submodule_qconfig_list[index]
            return bool(found(node))

    def pick(node: FxNode) -> _Picked | None:
        if node.target not in settings.quant_ops:
            return None
        index = next((i for i in range(len(settings.submodule_qconfig_list)) if is_it(i, node)), None)
        setter = "default_quant_config" if index is None else f"set_submodule_qconfig_list()[{index}]"
        told = settings.default_quant_config if index is None else settings.submodule_qconfig_list[index][1]
        config = config_of(told, setter)
        words = _preset(config) if index is None else f"{setter}: {_preset(config)}"
        block = blocks.get(node.name)
        axis = config.use_per_channel_weight_quant_ops.get(node.target)
        if block is None and index is None and not default_is_set:
            return None
        per_channel = config.quant_config if axis is None else config.per_channel_quant_config_list[axis]
        if block is not None:
            words = f"set_block_size_map()['{node.name}']"
        return _Picked(per_channel, words, block)

    return pick


def _recipe_picks(recipe: Any) -> Callable[[FxNode], _Picked | None]:
    """The strategy of the highest priority that matches; of equal ones the last added. Fills the recipe's summary."""
    ordered = sorted(enumerate(recipe._strategies), key=lambda each: (each[1].priority, each[0]), reverse=True)
    strategies = [
        *((f"recipe, strategy {index}", each) for index, each in ordered),
        ("recipe", recipe._default_strategy),
    ]

    def pick(node: FxNode) -> _Picked | None:
        for words, strategy in strategies:
            config = strategy_config(strategy, node, words)
            if config is not None:
                recipe._pending_annotate_nodes[node] = (config, strategy)
                note = f" ({strategy.note})" if strategy.note else ""
                block = None if config.block_size is None else block_size_of(config.block_size, words)
                return _Picked(config, f"{words}{note}", block)
        return None

    return pick


def _preset(config: ModuleQConfig) -> str:
    return f"set_default_quant_config({config.quant_dtype.name}{', is_qat=True' if config.is_qat else ''})"


def _wishes(picked: _Picked, names: list[str], observers: NamedObservers) -> Iterator[Wish]:
    where = Where(By.NODES, ",".join(names))
    what = _what(picked.config, picked.words, observers)
    yield Wish(where, what, picked.words)
    output = picked.config.output_activation
    if output is not picked.config.input_activation and isinstance(output, QuantizationSpec):
        bits, symmetric = _bits(output, picked.words), output.qscheme == torch.per_tensor_symmetric
        yield Wish(attrs.evolve(where, port="out"), What(activation=bits, symmetric=symmetric), picked.words)
    if picked.block_size is not None:
        blocks = What(granularity=Granularity.BLOCK, block_size=picked.block_size)
        yield Wish(where, blocks, picked.words, Strength.PIN)


def _what(config: QuantizationConfig, words: str, observers: NamedObservers) -> What:
    activation, weight = config.input_activation, config.weight
    return What(
        activation=0 if activation is None else _bits(activation, words),
        symmetric=None if activation is None else activation.qscheme == torch.per_tensor_symmetric,
        weight=None if weight is None else _bits(weight, words),
        granularity=None if weight is None else _granularity(weight),
        observer=observers.name_of(activation, weight=False),
        weight_observer=observers.name_of(weight, weight=True),
        eps=least_scale(activation or weight),
    )


def range_of(spec: QuantizationSpec) -> tuple[int, int]:
    """``(quant_min, quant_max)``, inclusive; where a spec does not say, the range of its dtype."""
    info = torch.iinfo(spec.dtype)
    low = info.min if spec.quant_min is None else spec.quant_min
    high = info.max if spec.quant_max is None else spec.quant_max
    return int(low), int(high)


def _bits(spec: QuantizationSpec, words: str) -> int:
    """The width of a spec's range.

    ExecuTorch writes 16-bit activations as int32, and leaves out their range where they are symmetric
    (``qconfig.py``, 1.5.1), which makes them 32 bits wide: 16 are meant.
    """
    if spec.dtype is torch.int32 and spec.quant_min is None and spec.quant_max is None:
        return 16
    low, high = range_of(spec)
    bits = (high - low).bit_length()
    if bits not in (2, 4, 8, 16):
        raise UsageError(f"{words}: {spec.dtype} over {low}..{high} is {bits} bits wide; the chip has 2, 4, 8 and 16")
    return bits


def _granularity(weight: QuantizationSpec) -> Granularity:
    per_channel = weight.qscheme in (torch.per_channel_symmetric, torch.per_channel_affine)
    return Granularity.CHANNEL if per_channel else Granularity.TENSOR


def _discards(settings: Settings, model: GraphModule, calls: Sequence[FxNode]) -> Iterator[Wish]:
    missing_names(model, settings.discard_nodes, "add_discard_nodes")
    named = sorted({node.name for node in model.graph.nodes}.intersection(settings.discard_nodes))
    if named:
        yield Wish(Where(By.NODES, ",".join(named)), What(cpu=True), "add_discard_nodes", Strength.PIN)
    discarded = set(settings.supported_ops) - set(settings.quant_ops)
    of_ops = [node.name for node in calls if node.target in discarded]
    if of_ops:
        yield Wish(Where(By.NODES, ",".join(of_ops)), What(cpu=True), "add_discard_ops", Strength.PIN)

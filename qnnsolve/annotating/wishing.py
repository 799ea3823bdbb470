"""ExecuTorch's quantizer, whose every setting is a wish: :class:`WishingQuantizer`."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Self

from executorch.backends.qualcomm.quantizer.quantizer import QnnQuantizer, QuantDtype
from executorch.backends.qualcomm.serialization.qc_schema import QnnExecuTorchBackendType
from torch.fx import GraphModule
from torch.fx import Node as FxNode

from qnnsolve.annotating.composing import annotated_before
from qnnsolve.annotating.custom import custom_wishes, given_wishes
from qnnsolve.annotating.endless import endless_wishes
from qnnsolve.annotating.named_observers import NamedObservers
from qnnsolve.annotating.settings import default_request, settings_wishes
from qnnsolve.annotating.told import block_map, config_of, list_of
from qnnsolve.errors import UnknownNameError, UsageError
from qnnsolve.facts.backends import backend as backend_of
from qnnsolve.facts.socs import chipset
from qnnsolve.foreign import printable
from qnnsolve.host.quiet import quiet
from qnnsolve.host.unasked import sdk_unasked
from qnnsolve.recipes import Recipes, read_recipes
from qnnsolve.rules.request import Request
from qnnsolve.rules.target import Target, Wanted
from qnnsolve.rules.wish_text import parse_wish
from qnnsolve.rules.wishes import Strength, Wish

__all__ = ["WishingQuantizer"]

EARLIER = "what an earlier quantizer annotated"


class WishingQuantizer(QnnQuantizer):  # type: ignore[misc]  # upstream ships no types
    """What is wanted of a graph: ``wanted``, and over it what ExecuTorch's setters were told."""

    def _aim(self, target: Target, wanted: Wanted) -> None:
        """Take the place of ``__init__``, once the arguments are read."""
        self._target, self._wanted = target, wanted
        self._observers = NamedObservers()
        with quiet(), sdk_unasked():  # it warns that BackendOpInfo is missing, but there are facts of our own
            QnnQuantizer.__init__(self, _upstream_type(target.backend), chipset(target.soc), target.strict)
        self._unset = repr(vars(self.default_quant_config))

    def wish(self, text: str, *, pin: bool = False, words: str | None = None) -> Self:
        """Ask for ``WHERE=WHAT`` in every solve from now on; see :func:`qnnsolve.rules.wish_text.parse_wish`.

        Raises:
            UsageError: it is not of this form; names the nearest word.
        """
        strength = Strength.PIN if pin else Strength.PREFER
        words = words or f"wish('{text}'{', pin=True' if pin else ''})"
        self._wanted = self._wanted.also(parse_wish(text, strength, words))
        return self

    def load_recipe(self, recipe: Recipes) -> Self:
        """Ask for what stands in files (see ``docs/wishes.md``) in every solve from now on, over what was asked before.

        Raises:
            RecipeError: a file cannot be read, or is no recipe; with the line.
        """
        read = read_recipes(recipe)
        request = self._wanted.request
        if read.precision is not None:
            request = Wanted.of(read.precision, read.block_size).request
        self._wanted = Wanted(request, (*self._wanted.wishes, *read.wishes))
        return self

    def set_default_quant_config(self, quant_dtype: QuantDtype, *args: Any, **settings: Any) -> None:
        """Ask for one of ExecuTorch's presets with its settings, in place of ``precision``.

        Raises:
            RuntimeError: ExecuTorch has no such preset (no QAT with 16a16w, 16a2w or 8a4w).
        """
        super().set_default_quant_config(quant_dtype, *args, **settings)
        self._unset = ""

    def add_custom_quant_annotations(self, custom_quant_annotations: Iterable[Any]) -> None:
        """Run these functions on a copy of the annotations, in place of earlier ones, and pin what they write.

        Raises:
            UsageError: it is no list.
        """
        list_of("functions", custom_quant_annotations, "add_custom_quant_annotations", "[annotate_kv_8bit]")
        super().add_custom_quant_annotations(tuple(custom_quant_annotations))

    def add_discard_nodes(self, nodes: Iterable[str]) -> None:
        """Leave the nodes of these names on the CPU, and no others that were named before.

        Raises:
            UsageError: it is no list.
        """
        list_of("names", nodes, "add_discard_nodes", "['conv2d']")
        super().add_discard_nodes(nodes)

    def set_block_size_map(self, block_size_map: Any) -> None:
        """Quantize the weights of these nodes in blocks of these sizes, and no others that were named before.

        Raises:
            UsageError: it is no map, or a size is none.
        """
        block_map(block_size_map)
        super().set_block_size_map(block_size_map)

    def set_submodule_qconfig_list(self, submodule_qconfig_list: Sequence[Any]) -> None:
        """Ask for a config where its function says yes; the first that does counts.

        Raises:
            UsageError: it is no list of a function and a config each.
        """
        setter, like = "set_submodule_qconfig_list", "[(get_submodule_name_predicate('head'), ModuleQConfig())]"
        list_of("pairs", submodule_qconfig_list, setter, like)
        pairs = list(submodule_qconfig_list)
        for index, pair in enumerate(pairs):
            if not isinstance(pair, Sequence) or len(pair) != 2 or not callable(pair[0]):
                raise UsageError(f"{setter}()[{index}] takes a function of a node and a config, like {like[1:-1]}")
            config_of(pair[1], f"{setter}()[{index}]")
        super().set_submodule_qconfig_list(pairs)

    def set_recipe(self, recipe: Any) -> None:
        """Ask for what ExecuTorch's recipe says, in place of all other settings.

        Raises:
            UsageError: it is no ``QuantRecipe``.
        """
        if not hasattr(recipe, "initialize_default_strategy_ops"):
            shown = printable(repr(recipe), 60)
            raise UsageError(
                f"set_recipe takes ExecuTorch's QuantRecipe, not {shown}; load_recipe reads a file of wishes"
            )
        super().set_recipe(recipe)

    def add_discard_ops(self, ops: Sequence[Any]) -> None:
        """Leave every node with one of these targets on the CPU.

        Raises:
            UnknownNameError: ExecuTorch quantizes no such op; names the nearest.
        """
        list_of("ops", ops, "add_discard_ops", "[torch.ops.aten.conv2d.default]")
        ops = tuple(ops)
        for op in ops:
            if op not in self.supported_ops:
                raise UnknownNameError("op to discard", str(op), map(str, self.supported_ops))
        super().add_discard_ops([op for op in ops if op in self.quant_ops])

    def _wanted_of(self, model: GraphModule, hidden: Collection[FxNode]) -> Wanted:
        """The request of a node of which no wish says anything, and all wishes, the weakest first.

        ``hidden`` are the nodes of which nothing sees how low or how high they are.
        """
        recipe = self._recipe
        functions = self.custom_quant_annotations if recipe is None else recipe.custom_quant_annotations
        wishes: tuple[Wish, ...] = (
            *settings_wishes(self, model, self._observers, default_is_set=self._is_set),
            *custom_wishes(model, functions, self._annotate_as_executorch, self._observers),
            *self._wanted.wishes,
            *(given_wishes(model, self._observers, EARLIER) if annotated_before(model) else ()),
        )
        request = self._request()
        return Wanted(request, (*wishes, *endless_wishes(model, hidden, request.fp16)))

    def _request(self) -> Request:
        if self._recipe is not None:
            return default_request(self._recipe._default_strategy.quant_config)
        return default_request(self._default) if self._is_set else self._wanted.request

    @property
    def _is_set(self) -> bool:
        """Whether somebody set the default config, or changed it where it stands."""
        return repr(vars(self._default)) != self._unset

    @property
    def _default(self) -> Any:
        return config_of(self.default_quant_config, "default_quant_config")

    @property
    def _is_qat(self) -> bool:
        """Whether what is prepared is to be trained."""
        return bool(self._default.is_qat if self._recipe is None else self._recipe._default_is_qat)

    def _annotate_as_executorch(self, model: GraphModule) -> None:
        """What custom annotations expect to find. Nodes that ExecuTorch cannot annotate are left out."""
        for node in model.graph.nodes:
            rule = self._rules_map.get(node.target)
            if rule is None or node.target not in self.quant_ops:
                continue
            with contextlib.suppress(AssertionError, AttributeError, KeyError, IndexError, TypeError):
                rule.annotate_fn(node, self._get_quant_config(node))


def _upstream_type(name: str) -> QnnExecuTorchBackendType:
    """ExecuTorch's name of a backend: upstream picks its passes by it."""
    upstream = backend_of(name).executorch
    if upstream is None or upstream not in QnnExecuTorchBackendType.__members__:
        raise UsageError(f"ExecuTorch knows no backend type for {name}, so its graph passes cannot be chosen")
    return QnnExecuTorchBackendType[upstream]

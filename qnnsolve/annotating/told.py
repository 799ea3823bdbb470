"""What the setters of ExecuTorch's quantizer were told is of the kind that they take: else one line says what is.

ExecuTorch (1.5.1) keeps whatever it is told, and fails later and elsewhere, or does something else in silence: a name
where a list of names is meant is a list of letters.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from executorch.backends.qualcomm.quantizer.quantizer import ModuleQConfig
from torch.fx import GraphModule

from qnnsolve.errors import UsageError
from qnnsolve.foreign import printable

__all__ = ["block_map", "block_size_of", "config_of", "list_of", "missing_names", "strategy_config"]

Block = tuple[int, ...]


def list_of(what: str, told: Any, setter: str, like: str) -> None:
    """Refuse what is not several of ``what``; ``like`` is an example.

    Raises:
        UsageError: it is text, or cannot be gone through.
    """
    if isinstance(told, str | bytes) or not isinstance(told, Iterable):
        raise UsageError(f"{setter} takes a list of {what}, like {like}, not {_shown(told)}")


def config_of(told: Any, words: str) -> ModuleQConfig:
    """``told``, which has to be ExecuTorch's config.

    Raises:
        UsageError: it is something else.
    """
    if not isinstance(told, ModuleQConfig):
        raise UsageError(f"{words} takes a ModuleQConfig, like ModuleQConfig(QuantDtype.use_16a8w), not {_shown(told)}")
    return told


def block_size_of(told: Any, words: str) -> Block:
    """``told`` as sizes along the dimensions of a weight, or one size along its input channels.

    Raises:
        UsageError: it is no list of whole numbers above 0.
    """
    sizes = tuple(told) if isinstance(told, Sequence) and not isinstance(told, str | bytes) else ()
    if not sizes or not all(type(size) is int and size > 0 for size in sizes):
        raise UsageError(
            f"{words}: a block size has a whole number above 0 for each dimension of the weight, like (1, 16, 1, 1), "
            f"not {_shown(told)}"
        )
    return sizes


def strategy_config(strategy: Any, node: Any, words: str) -> Any:
    """The config that a strategy of a recipe has for a node; None where it does not match.

    Raises:
        UsageError: its pattern cannot be read, or it asks for what the op has not.
    """
    try:
        return strategy.get_quant_config(node)
    except re.error as error:
        raise UsageError(f"{words}: '{printable(str(error.pattern))}' is no regular expression: {error.msg}") from error
    except KeyError as error:
        missing = (
            "extra_kwargs has no 'block_size', like (1, 16, 1, 1)" if error.args == ("block_size",) else str(error)
        )
        raise UsageError(f"{words}: {node.name} ({node.target}): {missing}") from error
    except (AssertionError, AttributeError, TypeError) as error:
        raise UsageError(f"{words}: {node.name} ({node.target}): {error}") from error


def missing_names(model: GraphModule, names: Collection[str], setter: str) -> None:
    """Warn of names that no node of the graph has. That is no error: a quantizer may annotate a graph part by part."""
    missing = sorted(set(map(str, names)) - {node.name for node in model.graph.nodes})
    if missing:
        warnings.warn(f"{setter}: no node of this graph is called {', '.join(missing)}", stacklevel=3)


def block_map(told: Any) -> Mapping[str, Block]:
    """``told`` as block sizes by the name of a node.

    Raises:
        UsageError: it is no such map.
    """
    if not isinstance(told, Mapping):
        like = "{'conv2d': (1, 16, 1, 1)}"
        raise UsageError(f"set_block_size_map takes sizes by the names of nodes, like {like}, not {_shown(told)}")
    return {name: block_size_of(size, f"set_block_size_map()['{name}']") for name, size in told.items()}


def _shown(told: Any) -> str:
    return printable(repr(told), 60)

"""Which tensors of a graph can hold an attention mask, and who reads them: :func:`masking`.

A mask writes values so low (minus infinity, the least float, -1e9) that a softmax makes zeros of them. Where only a
softmax or the like reads them, it does not matter how low they are. Everywhere else such a value counts as it is, and
so does a low score that no mask wrote.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs
import torch
from torch.fx import GraphModule
from torch.fx import Node as FxNode

from qnnsolve.rewriting.masked_values import ENDLESS, MASKED_FROM, masked_from
from qnnsolve.rewriting.nodes import constant_of, op_name

__all__ = [
    "BESIDE",
    "Masking",
    "carries",
    "factor_of",
    "hiding",
    "masking",
    "moved",
]


def _names(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


_ENDS = {
    **dict.fromkeys(("softmax", "_softmax", "_safe_softmax", "amax", "argmax", "max_pool2d", "adaptive_max_pool2d"), 1),
    **dict.fromkeys(("exp", "sigmoid", "hardsigmoid", "relu", "tanh"), 1),
    **dict.fromkeys(("amin", "argmin"), -1),
}
"""What makes nothing of all that is low enough (1), or high enough (-1)."""
_SEES_LITTLE = frozenset((*_ENDS, "topk"))
"""What does not see how low, or how high, its input is."""
_MOVES = _names(
    "view reshape _unsafe_view view_as reshape_as flatten unflatten squeeze unsqueeze expand "
    "expand_as permute transpose t movedim contiguous clone detach alias lift_fresh_copy to _to_copy "
    "dropout slice select narrow split split_with_sizes chunk unbind tensor_split repeat tile flip "
    "roll gather index index_select pad constant_pad_nd pixel_shuffle broadcast_to slice_copy"
)
"""What moves the values of its first input."""
_ORDERS = _names("log_softmax _log_softmax clamp clamp_min")
"""What keeps what is low below the rest."""
_JOINS = _names("cat stack where masked_fill slice_scatter select_scatter index_put scatter copy")
"""What passes the values of all its inputs on."""
_MEETS = _names("add sub rsub maximum minimum")
"""Where a mask meets the scores, or another mask."""
BESIDE = _names("add sub rsub maximum minimum where masked_fill cat stack index_put slice_scatter")
"""Where values of a mask are added to others, or stand beside them."""


@attrs.frozen(eq=False)
class Masking:
    """``hidden``: nodes of which nothing sees how low they are, with 1; or how high, with -1.

    ``levels``: those of them that a mask can reach, with how far from zero its values lie at least. ``fed``: those of
    them where a mask can come from inputs of the model alone, with these; samples tell whether it does.
    """

    hidden: Mapping[FxNode, int]
    levels: Mapping[FxNode, float]
    fed: Mapping[FxNode, frozenset[FxNode]]

    def passes(self, node: FxNode, user: FxNode) -> bool:
        """Whether a masked value of ``node`` is still masked in what ``user`` yields."""
        return user in self.hidden and _carried(user, node, self.hidden[user], {}) != 0

    def factors(self, node: FxNode) -> bool:
        """Whether ``node`` is what ones and zeros are multiplied with to make a mask."""
        return node in self.levels and all(_multiplies(user, node) for user in node.users)


def moved(user: FxNode, node: FxNode) -> bool:
    """Whether ``user`` yields the values of ``node``, or some of them, in another place or shape."""
    return op_name(user) in _MOVES | {"getitem"} and user.args[0] is node


def masking(model: GraphModule) -> Masking:
    """Which nodes of ``model`` only softmaxes and the like read, and in which of them a mask can be. Changes
    nothing."""
    hidden: dict[FxNode, int] = {}
    meeting: dict[FxNode, bool] = {}
    for _ in _hiding(model, hidden, meeting):
        pass
    levels: dict[FxNode, float] = {}
    fed: dict[FxNode, frozenset[FxNode]] = {}
    for node in model.graph.nodes:
        if node not in hidden:
            continue
        own, sources = list(_own_levels(node, hidden, meeting)), list(_sources(node, hidden, meeting, levels))
        if not own and not sources:
            continue
        levels[node] = min([*own, *(level for _, level in sources)])
        if own == [MASKED_FROM] and node.op == "placeholder":
            fed[node] = frozenset([node])
        elif not own and all(source in fed for source, _ in sources):
            fed[node] = frozenset().union(*(fed[source] for source, _ in sources))
    return Masking(hidden, levels, fed)


def hiding(model: GraphModule) -> list[tuple[FxNode, dict[FxNode, int]]]:
    """From the last node to the first, who does not see how low (1) or how high (-1) it is. Changes nothing."""
    return list(_hiding(model, {}, {}))


def _hiding(
    model: GraphModule, hidden: dict[FxNode, int], meeting: dict[FxNode, bool]
) -> Iterator[tuple[FxNode, dict[FxNode, int]]]:
    """The same for nodes that have any; fills ``hidden``, and ``meeting`` with which of it meets scores."""
    fed = _fed(model)
    read: set[FxNode] = set()
    for node in reversed(model.graph.nodes):
        if op_name(node) in _SEES_LITTLE:
            read.update(node.all_input_nodes)
        if node not in read:
            continue
        users = [user for user in node.users if user.op != "call_module"]  # guards
        signs = {user: _sign(user, node, hidden, meeting) for user in users}
        if len(set(signs.values())) == 1 and (sign := signs[users[0]]) and node.op != "output":
            hidden[node] = sign
            read.update(node.all_input_nodes)
            meeting[node] = any(meeting.get(user) or _meets(user, node, fed) for user in node.users if user in hidden)
        elif any(signs.values()):
            yield node, {user: sign for user, sign in signs.items() if sign}


def _fed(model: GraphModule) -> set[FxNode]:
    """What depends on an input of the model."""
    found: set[FxNode] = set()
    for node in model.graph.nodes:
        if node.op == "placeholder" or node in found:
            found.add(node)
            found.update(node.users)
    return found


def _sign(user: FxNode, node: FxNode, hidden: Mapping[FxNode, int], meeting: Mapping[FxNode, bool]) -> int:
    """1 where ``user`` does not see how low ``node`` is, -1 how high, 0 where it sees either."""
    name = op_name(user)
    if name in _ENDS:
        return _ENDS[name] if user.args[0] is node else 0
    if name == "topk":
        largest = user.args[3] if len(user.args) > 3 else user.kwargs.get("largest", True)
        return 1 if largest else -1
    return _carried(user, node, hidden[user], meeting) if user in hidden else 0


def carries(user: FxNode, node: FxNode, sign: int) -> int:
    """The sign that a mask at ``node`` has where it has ``sign`` at ``user``; 0 where ``user`` does not pass a mask
    on."""
    return _carried(user, node, sign, {})


def _carried(user: FxNode, node: FxNode, sign: int, meeting: Mapping[FxNode, bool]) -> int:
    name, first = op_name(user), user.args[0] if user.args else None
    if name == "getitem" or name in _JOINS or name in ("add", "maximum", "minimum"):
        return sign
    if name in _MOVES or name in _ORDERS:
        return sign if node is first else 0
    if name == "neg":
        return -sign
    if name in ("sub", "rsub"):
        if user.args[0] is user.args[1]:
            return 0
        return sign if (node is first) == (name == "sub") else -sign
    if name in ("mul", "div"):
        value = constant_of(node)
        if name == "mul" and value is not None and _is_mask(value) and meeting.get(user, True):
            return -1 if bool((value > 0).all()) else 1
        factor = factor_of(user, node)
        return 0 if factor is None else sign if factor > 0 else -sign
    return 0


def _is_mask(value: torch.Tensor) -> bool:
    """Of a factor: 0 and 1 times it are a mask."""
    return bool((value >= MASKED_FROM).all()) or bool((value <= -MASKED_FROM).all())


def factor_of(user: FxNode, node: FxNode) -> float | None:
    """By what ``user`` multiplies ``node``, the nearest to zero; None where that is no constant of one sign."""
    name = op_name(user)
    if name not in ("mul", "div") or (name == "div" and user.args[0] is not node):
        return 1.0
    others = [each for each in user.args if each is not node]
    value = constant_of(others[0]) if len(others) == 1 else None
    if value is None and len(others) == 1 and isinstance(others[0], int | float):
        value = torch.tensor(float(others[0]))
    if value is None or not (bool((value > 0).all()) or bool((value < 0).all())):
        return None
    if name == "div":
        value = 1 / value
    return float(value.flatten()[value.abs().argmin()])


def _meets(user: FxNode, node: FxNode, fed: set[FxNode]) -> bool:
    return op_name(user) in _MEETS and any(other is not node and other in fed for other in user.all_input_nodes)


def _own_levels(node: FxNode, hidden: Mapping[FxNode, int], meeting: Mapping[FxNode, bool]) -> Iterator[float]:
    """How far out the masks lie that ``node`` itself can bring, at least: half of what it is known to write."""
    value, sign = constant_of(node), hidden[node]
    added = all(_is_added(user, node) for user in node.users)
    if value is not None:
        values = value.detach() * sign
        masked = masked_from(values, MASKED_FROM)
        if masked > -torch.inf and not (added and bool((values <= masked).all())):
            yield -masked / 2
    if node.op == "placeholder":
        yield MASKED_FROM if meeting[node] else ENDLESS
    if node.op != "call_function":
        return
    if op_name(node) == "log":
        yield ENDLESS
    numbers = [each for each in (*node.args, *node.kwargs.values()) if isinstance(each, float)]
    moves_all = added and not node.all_input_nodes
    if not moves_all and op_name(node) not in ("clamp", "clamp_min", "mul", "div", "add", "sub", "rsub"):
        yield from (-sign * each / 2 for each in numbers if sign * each <= -MASKED_FROM)


def _sources(
    node: FxNode, hidden: Mapping[FxNode, int], meeting: Mapping[FxNode, bool], levels: Mapping[FxNode, float]
) -> Iterator[tuple[FxNode, float]]:
    """What ``node`` reads masks of, and how far out they lie in it."""
    sign = hidden[node]
    for source in node.all_input_nodes:
        if source in levels and _carried(node, source, sign, meeting):
            factor = 1.0 if _multiplies(node, source) else factor_of(node, source)
            yield source, levels[source] * abs(factor or 1.0)


def _is_added(user: FxNode, node: FxNode) -> bool:
    """Whether ``user`` adds ``node`` to something, in whatever shape: what is low all over moves every score alike."""
    if moved(user, node):
        return all(_is_added(each, user) for each in user.users)
    return op_name(user) in ("add", "sub", "rsub")


def _multiplies(user: FxNode, node: FxNode) -> bool:
    """Whether ``node`` is the mask that ``user`` multiplies something with."""
    value = constant_of(node)
    return op_name(user) == "mul" and value is not None and _is_mask(value)

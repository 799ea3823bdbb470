"""What each string of a ``.pt2``'s JSON may say, by the field of torch's schema that holds it.

Strings end up in Python that torch (2.13) evaluates: sizes in ``sympify``, names in the source of a graph, types of
trees in ``import_module``.
"""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from qnnsolve.foreign import printable
from qnnsolve.models.expressions import check_expression, check_symbol
from qnnsolve.models.refused import Refused
from qnnsolve.models.targets import check_target

__all__ = ["DEEPEST", "EMPTIED", "KEPT_KEYS", "KEYS", "STRINGS", "refusal"]

DEEPEST = 100
_TREES = (
    "builtins.tuple",
    "builtins.list",
    "builtins.dict",
    "collections.OrderedDict",
    "collections.deque",
    "collections.namedtuple",
)
_NAME = re.compile(r"[^\W\d]\w{0,500}")
_PATH = re.compile(r"[^\"'\\\x00-\x1f\x7f]{1,2000}")
_METADATA = ("stack_trace", "nn_module_stack", "torch_fn", "custom")
"""What is read of a node's notes; the others name code."""
Check: TypeAlias = Callable[[str], None]


def refusal(what: str, text: str) -> Refused:
    """``what`` the file has, and the ``text`` that is not allowed there."""
    return Refused(f"{what} '{printable(text, 80)}', which torch would not write")


def _name(text: str) -> None:
    if _NAME.fullmatch(text) is None or keyword.iskeyword(text):
        raise refusal("has a name", text)


def _name_or_none(text: str) -> None:
    if text:
        _name(text)


def _argument_name(text: str) -> None:
    """Of an operator's argument, which may be a word of Python's (``from``): it is looked up in the schema."""
    if text and _NAME.fullmatch(text) is None:
        raise refusal("has an argument", text)


def _path(text: str) -> None:
    """A dotted name of a weight; it may hold what no identifier does, but nothing that could end a string."""
    if _PATH.fullmatch(text) is None or any(part.startswith("__") for part in text.split(".")):
        raise refusal("has a path", text)


def _module_path(text: str) -> None:
    if text:
        _path(text)


def _payload(text: str) -> None:
    if re.fullmatch(r"(weight|tensor)_\d{1,9}", text) is None:
        raise Refused("carries pickled Python objects, which are not loaded: they could run code")


def _object(_: str) -> None:
    raise Refused("carries Python objects, which are not loaded: they could run code")


def _device(text: str) -> None:
    if text != "cpu":
        raise Refused(f"has tensors on '{printable(text, 20)}'; move the model to the CPU before torch.export")


def _any(_: str) -> None:
    """Data: it is looked up, printed, or given to an operator."""


def _tree(text: str) -> None:
    found = json.loads(text)
    if not isinstance(found, list) or len(found) != 2 or found[0] != 1:
        raise refusal("has a tree", text)
    _subtree(found[1], 0)


def _subtree(tree: Any, depth: int) -> None:
    match tree:
        case {"type": None, "context": None, "children_spec": []}:
            return
        case {"type": str() as kind, "context": str() | None as context, "children_spec": list() as children} if (
            depth < DEEPEST
        ):
            if kind not in _TREES:
                raise Refused(f"takes or returns a {printable(kind, 80)}: only tuples, lists and dicts are read")
            if kind != "collections.namedtuple":  # whose name is looked up among those that are registered
                _context(kind, json.loads(context) if context else None)
            for child in children:
                _subtree(child, depth + 1)
        case _:
            raise refusal("has a tree", json.dumps(tree))


def _context(kind: str, context: Any) -> None:
    keys = context if isinstance(context, list) else [context]
    if not all(each is None or isinstance(each, str | int | bool) for each in keys):
        raise refusal(f"has a {kind} with keys", json.dumps(context))
    for each in keys:
        if isinstance(each, str):
            _path(each)  # the keys of keyword inputs become names in the source of the graph


STRINGS: Mapping[str, Check] = {
    "Device.type": _device,
    "SymExpr.expr_str": check_expression,
    "SymIntArgument.as_name": _name,
    "SymFloatArgument.as_name": _name,
    "SymBoolArgument.as_name": _name,
    "TensorArgument.name": _name_or_none,
    "TokenArgument.name": _object,
    "GraphArgument.name": _name,
    "CustomObjArgument.name": _object,
    "CustomObjArgument.class_fqn": _object,
    "Argument.as_string": _any,
    "Argument.as_strings": _any,
    "Argument.as_operator": check_target,
    "NamedArgument.name": _argument_name,
    "Node.target": check_target,
    "Node.metadata": _any,
    "Node.name": _name_or_none,
    "ConstantValue.as_string": _any,
    "InputToConstantInputSpec.name": _name_or_none,
    "InputToParameterSpec.parameter_name": _path,
    "InputToBufferSpec.buffer_name": _path,
    "InputToTensorConstantSpec.tensor_constant_name": _path,
    "InputToCustomObjSpec.custom_obj_name": _object,
    "BufferMutationSpec.buffer_name": _path,
    "ParameterMutationSpec.parameter_name": _path,
    "GradientToParameterSpec.parameter_name": _path,
    "GradientToUserInputSpec.user_input_name": _name,
    "UserInputMutationSpec.user_input_name": _name,
    "ModuleCallSignature.in_spec": _tree,
    "ModuleCallSignature.out_spec": _tree,
    "ModuleCallSignature.forward_arg_names": _name,
    "ModuleCallEntry.fqn": _module_path,
    "NamedTupleDef.field_names": _name,
    "GraphModule.metadata": _any,
    "ExportedProgram.verifiers": _name,
    "ExportedProgram.torch_version": _any,
    "PayloadMeta.path_name": _payload,
}
KEYS: Mapping[str, Check] = {
    "Graph.tensor_values": _name,
    "Graph.sym_int_values": _name,
    "Graph.sym_bool_values": _name,
    "Graph.sym_float_values": _name,
    "Graph.custom_obj_values": _object,
    "Argument.as_string_to_argument": _name,
    "GraphModule.treespec_namedtuple_fields": _path,
    "ExportedProgram.opset_version": _name,
    "ExportedProgram.range_constraints": check_symbol,
    "PayloadConfig.config": _path,
}
KEPT_KEYS: Mapping[str, tuple[str, ...]] = {"Node.metadata": _METADATA, "GraphModule.metadata": ("custom",)}
EMPTIED = ("ExportedProgram.guards_code",)
"""Source of Python: the checks of the inputs, which are not called here."""

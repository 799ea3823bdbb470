"""The graph that is handed to the child that compiles: :func:`marked`."""

from __future__ import annotations

from typing import Any

from torch.fx import Graph, GraphModule, Node
from torch.fx.graph import CodeGen, _PyTreeCodeGen
from torch.utils import _pytree as pytree

from qnnsolve.lowering.marks import CPU_KEY, CPU_VALUE, NAME_KEY

__all__ = ["marked"]


def marked(converted: GraphModule, cpu_nodes: frozenset[str]) -> GraphModule:
    """A copy of ``converted``'s graph with its weights themselves, whose nodes carry their names, and the CPU's nodes
    their tag.

    With these the program's ops can be traced back to the graph that was solved. Weights that nothing reads any more,
    like those that were quantized, are not in it.
    """
    graph, twins = Graph(), dict[Node, Node]()
    returned = graph.graph_copy(converted.graph, twins)
    graph._codegen = converted.graph._codegen
    if not _can_be_saved(graph._codegen):
        returned = _flattened(graph, returned)
    output = graph.output(returned)
    output.meta.update(converted.graph.output_node().meta)
    for node, twin in twins.items():
        if node.op == "call_function":
            tag = {CPU_KEY: CPU_VALUE} if node.name in cpu_nodes else {}
            twin.meta["custom"] = {**(node.meta.get("custom") or {}), **tag, NAME_KEY: node.name}
            # As if its ops were all that the module was ever written in: ExecuTorch looks for ops by their origin.
            twin.meta["source_fn_stack"] = [(node.name, node.target)]
            twin.meta["nn_module_stack"] = {"L__self__": ("", "torch.fx.graph_module.GraphModule")}
    return GraphModule(converted, graph)


def _can_be_saved(codegen: CodeGen) -> bool:
    """Whether torch can write down what the outputs are a tree of; not of a type that it makes up, like that of max
    over a dimension."""
    spec = codegen.pytree_info.out_spec if isinstance(codegen, _PyTreeCodeGen) else None
    if spec is not None:
        try:
            pytree.treespec_dumps(spec)
        except NotImplementedError:
            return False
    return True


def _flattened(graph: Graph, returned: Any) -> tuple[Any, ...]:
    """The outputs as a plain tuple, which is all that the runtime knows of them anyway."""
    assert isinstance(graph._codegen, _PyTreeCodeGen)
    leaves = tuple(leaf for leaf in pytree.tree_leaves(returned) if leaf is not None)
    spec = pytree.tree_structure(tuple(range(len(leaves))))
    graph._codegen = _PyTreeCodeGen(graph._codegen.pytree_info._replace(out_spec=spec))
    return leaves

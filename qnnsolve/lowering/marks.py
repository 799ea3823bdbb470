"""What ``node.meta["custom"]`` says to the lowering: which nodes stay on the CPU, and what each was called.

``meta["custom"]`` survives export, saving, loading and every pass of the lowering (torch 2.13).
"""

from __future__ import annotations

__all__ = ["CPU_KEY", "CPU_VALUE", "LEFT_BY_SOLVER", "NAME_KEY"]

CPU_KEY, CPU_VALUE = "qnnsolve", "cpu"
"""How a node that stays on the CPU is marked; the quantizer writes it."""
NAME_KEY = "qnnsolve_node"
"""The node's name in the converted graph, under which the lowered program's ops are reported."""
LEFT_BY_SOLVER = "left on the CPU by the solver"
"""The reason that is given for such a node."""

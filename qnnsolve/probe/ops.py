"""Every probe, by the name of its table; and the operators that have none, each with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from qnnsolve.probe.catalog.images import IMAGES
from qnnsolve.probe.catalog.moves import MOVES
from qnnsolve.probe.catalog.pointwise import POINTWISE
from qnnsolve.probe.catalog.products import PRODUCTS
from qnnsolve.probe.questions import OpSpec

__all__ = ["EXCLUDED", "OPS"]

OPS: Mapping[str, OpSpec] = MappingProxyType({s.op: s for s in (*PRODUCTS, *POINTWISE, *MOVES, *IMAGES)})

EXCLUDED: Mapping[str, str] = MappingProxyType(
    {"ContextLoader": "names the meta data of an ahead-of-time context binary; it is no compute operator"}
)
"""Names in ExecuTorch 1.5.1's ``builders/qnn_constants.py`` that nothing can be measured about."""

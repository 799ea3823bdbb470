"""Every probe, by the name of its table."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from qnnsolve.probe.catalog import CORE
from qnnsolve.probe.catalog_more import MORE
from qnnsolve.probe.specs import OpSpec

__all__ = ["OPS"]

OPS: Mapping[str, OpSpec] = MappingProxyType({spec.op: spec for spec in (*CORE, *MORE)})

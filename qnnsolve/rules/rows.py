"""The rule that holds a node to the operator tables (``QC001``): the ports of each op it becomes take one row."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TypeAlias

import attrs

from qnnsolve.constraints import Constraint, Relation, Site, Table
from qnnsolve.encodings import BOOL, FLOAT, INT32, Encoding
from qnnsolve.facts.forms import ANY_FORM, Form
from qnnsolve.facts.graph import Node, TensorFact
from qnnsolve.opinfo_facts import port_code
from qnnsolve.reasons import Reason, Says
from qnnsolve.rules import costs
from qnnsolve.rules.base import Facts
from qnnsolve.rules.builders import OUTPUT, Built, Fate
from qnnsolve.rules.kinds import Call
from qnnsolve.rules.repeating import call_rule
from qnnsolve.rules.request import Role
from qnnsolve.sources import Source, joined

__all__ = ["Emitted", "accepts", "emitted", "integer_code", "one_row_of_the_operator_table", "refusing"]

_NATIVE = {"bool": BOOL, "int64": INT32, "int32": INT32}

Port: TypeAlias = Site | str
"""A port whose encoding is chosen, or the code of one that is never quantized (``-``: an absent input)."""


@attrs.frozen
class Emitted:
    """One op of the accelerator that a node becomes; the first ``inputs`` of its ports go in.

    ``weights`` are the positions of the ports that hold a weight.
    """

    op: str
    form: Form
    ports: tuple[Port, ...]
    inputs: int
    weights: tuple[int, ...] = ()


def integer_code(tensor: TensorFact | None) -> str:
    """Port code of a tensor that is never quantized; ``?`` for a dtype that no table covers."""
    encoding = None if tensor is None else _NATIVE.get(tensor.dtype)
    return "?" if encoding is None else port_code(encoding)


def emitted(facts: Facts, node: Node, built: Built) -> tuple[Emitted, ...]:
    """The ops that ``node`` becomes, the main one first; none for a node that becomes nothing."""
    if built.op is None:
        return ()
    inputs = tuple(_input(facts, node, port) for port in range(len(built.inputs)))
    outputs = _outputs(facts, node, inputs)
    inputs = tuple(
        port if entry.like is None else outputs[0] if entry.like == OUTPUT else inputs[entry.like]
        for port, entry in zip(inputs, built.inputs, strict=True)
    )
    written = outputs if built.outputs is None else tuple(outputs[port] for port in built.outputs)
    weights = tuple(port for port, entry in enumerate(built.inputs) if entry.role is Role.WEIGHT)
    main = Emitted(built.op, facts.form(node, built), (*inputs, *written), len(inputs), weights)
    ports = (*inputs, *outputs)
    steps = (
        Emitted(
            step.op,
            facts.step_form(node, built, step),
            tuple(_port(ports, port) for port in step.ports),
            len(step.ports) - 1,
        )
        for step in built.steps
    )
    return (main, *steps)


def _port(ports: Sequence[Port], port: int | str) -> Port:
    return port if isinstance(port, str) else ports[port]


def _input(facts: Facts, node: Node, port: int) -> Port:
    entry = facts.built[node.name].inputs[port]
    if entry.ref is None:
        return entry.code
    tensor = facts.tensor(entry)
    return Site(entry.ref, node.name) if tensor is not None and tensor.is_float else integer_code(tensor)


def _outputs(facts: Facts, node: Node, inputs: Sequence[Port]) -> tuple[Port, ...]:
    """Ports of all outputs; ExecuTorch declares one that nobody reads like one that is read, or like the input."""
    outputs = facts.outputs(node)
    read = [sites[0] for sites in outputs if isinstance(sites, tuple)]
    stand_in = next((port for port in (*read, *inputs) if isinstance(port, Site)), "?")
    return tuple(
        each[0] if isinstance(each, tuple) else stand_in if each.is_float else integer_code(each) for each in outputs
    )


def accepts(facts: Facts, node: Node, built: Built) -> bool:
    """Whether the accelerator takes a node that touches no float tensor at all."""
    ops = emitted(facts, node, built)
    return bool(ops) and all(_accepts(facts, op) for op in ops)


def _accepts(facts: Facts, op: Emitted) -> bool:
    accepted = facts.operators.accepted(op.op, op.form)
    return accepted is not None and accepted.admits(tuple(map(str, op.ports)))


def refusing(facts: Facts, node: Node, built: Built, chosen: Mapping[Site, Encoding]) -> tuple[Source, ...]:
    """The sources that refuse these encodings at the ports of ``node`` where another source accepts them."""
    found: list[Source] = []
    for op, ports in _tables(facts, node, built) if built.fate is Fate.OP else ():
        accepted = facts.operators.accepted(op.op, op.form)
        sites = tuple(dict.fromkeys(port for port in ports if isinstance(port, Site)))
        if accepted is not None and all(site in chosen for site in sites):
            columns = tuple(sites.index(port) if isinstance(port, Site) else port for port in ports)
            found += accepted.refusing(_spelled(op, tuple(chosen[site] for site in sites), columns)[0])
    return joined(found)


@call_rule("QC001", rests_on=("tables", "since"))
def one_row_of_the_operator_table(call: Call) -> Iterator[Constraint]:
    """The ports of an op together take one row of what the backend accepts, or the node stays on the CPU.

    Why: every operator accepts only certain mixtures of dtypes over its inputs and outputs. A mixture that is
    not in the table is rejected by the validator, fails at graph finalize, or was never measured.

    Instead: another width on one of the ports (the solver picks the cheapest), or the CPU.
    """
    price = costs.CPU
    for op, ports in _tables(call.facts, call.node, call.built):
        sites = tuple(dict.fromkeys(port for port in ports if isinstance(port, Site)))
        if not sites:
            continue
        columns = tuple(sites.index(port) if isinstance(port, Site) else port for port in ports)
        domains = call.candidates(*sites)
        key = ("QC001", op.op, op.form, call.built.why, columns, op.weights, price, tuple(map(id, domains)))
        relation, reason = call.once(key, partial(_relation, call.facts, call.built, op, columns, domains, price))
        yield Table(sites, relation, reason)
        price = 0  # a node pays for the CPU once; its tables meet in the sites they share


def _tables(facts: Facts, node: Node, built: Built) -> Iterator[tuple[Emitted, tuple[Port, ...]]]:
    """Each op of the node with the ports of one table: a repeated port has a table of its own."""
    if built.fate is Fate.CPU:
        edges = tuple(edge for _, _, edge, _ in facts.float_inputs(node, built))
        results = tuple(site for sites in facts.outputs(node) if isinstance(sites, tuple) for site in sites)
        yield Emitted("", ANY_FORM, (*edges, *results), len(edges)), (*edges, *results)
    for op in emitted(facts, node, built) if built.fate is Fate.OP else ():
        accepted = facts.operators.accepted(op.op, op.form)
        instances = [op.ports] if accepted is None else accepted.instances(op.ports)
        yield from ((op, ports) for ports in instances)


def _relation(
    facts: Facts,
    built: Built,
    op: Emitted,
    columns: tuple[int | str, ...],
    domains: tuple[tuple[Encoding, ...], ...],
    price: int,
) -> tuple[Relation, Reason]:
    """The rows over ``domains`` that the table accepts, plus the all-float row at ``price``."""
    floats = tuple(FLOAT for _ in domains)
    accepted = None if built.fate is Fate.CPU else facts.operators.accepted(op.op, op.form)
    rows: list[tuple[Encoding, ...]] = []
    sources: set[Source] = set()
    for row in itertools.product(*domains) if accepted is not None else ():
        if accepted is None or FLOAT in row:
            continue  # float activations never mix in
        codes, placed = _spelled(op, row, columns)
        citing = accepted.citing(codes, placed)
        if citing is not None:
            rows.append(row)
        sources.update(accepted.refusing(codes) if citing is None else citing)
    if accepted is not None and not rows:
        sources.update(accepted.known_from)
    if built.fate is Fate.CPU:
        reason = Reason.of("QC001", Says.STAYS_ON_CPU, joined(sources), why=built.why)
    else:
        reason = Reason.of("QC001", Says.TAKES_ROWS, joined(sources), op=op.op, arch=facts.operators.arch)
    return Relation((*rows, floats), (*(0 for _ in rows), price)), reason


def _spelled(
    op: Emitted, row: tuple[Encoding, ...], columns: tuple[int | str, ...]
) -> tuple[tuple[str, ...], dict[int, Encoding]]:
    """A row as tables spell it: the code of every port, and the encodings of those that are float tensors."""
    placed = {port: row[column] for port, column in enumerate(columns) if isinstance(column, int)}
    quantized_weight = any(port in placed and placed[port].quantized for port in op.weights)
    codes = tuple(
        column if isinstance(column, str) else port_code(placed[port], quantized_weight)
        for port, column in enumerate(columns)
    )
    return codes, placed

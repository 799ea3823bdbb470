"""A child that quantizes and compiles op models for one SoC, or runs them; started by ``benchmarks.op_models``.

    python -m benchmarks.op_model_child compile|run [op_models|boundaries]

Jobs come as lines of JSON on stdin and answers go out on stdout. One child takes many jobs, since starting ExecuTorch
takes longer than most op models. Everything else that is printed goes to stderr, which must be a file.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import hashlib
import json
import math
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from benchmarks.boundaries.kept import unkept
from qnnsolve.errors import QnnSolveError
from qnnsolve.host.logs import errors_in
from qnnsolve.lowering import child as lowering_child
from qnnsolve.lowering import program
from qnnsolve.verification import child as emulator_child

if TYPE_CHECKING:
    from benchmarks.op_model_cases import OpModel

PRODUCTS = ("matmul", "bmm", ".mm.", "einsum", "cdist", "scaled_dot_product_attention", "hadamard")
NARROW = ("16a4w", "16a16w")
"""Precisions that differ from 16a8w in their weights only."""


class Failed(Exception):
    """A stage raised; ``args`` are the stage's name and what was raised."""


@contextlib.contextmanager
def stage(name: str) -> Iterator[None]:
    """What is raised inside is that stage's failure.

    Raises:
        Failed: anything was raised.
    """
    try:
        yield
    except Exception as error:  # a model of anybody's through three code bases: each failure is a row of the count
        traceback.print_exc()
        raise Failed(name, " ".join(f"{type(error).__name__}: {error}".split())[:600]) from error


@functools.cache
def models() -> dict[str, OpModel]:
    """The models of this process by name: ExecuTorch's op models, or those in which two precisions meet."""
    if sys.argv[2:] == ["boundaries"]:
        from benchmarks.boundaries.cases import compared

        return {model.name: model for model in compared()}
    from benchmarks.op_model_cases import op_models

    return {model.name: model for model in op_models()}


def compile_one(job: dict[str, Any]) -> dict[str, Any]:
    """Quantize ``job["case"]`` with ``job["quantizer"]`` and compile it into ``job["folder"]``.

    Where that gives the model whose fingerprint is ``job["known"]``, it is not compiled again.
    """
    import torch

    model, folder = models()[job["case"]], Path(job["folder"])
    with torch.no_grad():
        with stage("export"):
            # A copy, since calibrating writes to the buffers of a model that has a cache.
            exported = torch.export.export(copy.deepcopy(model.module), model.inputs, strict=True)
            exported = exported.module(check_guards=False)
        if job["weighted_only"] and not has_weights(exported):
            return {"skipped": "no weights"}
        log_start = os.fstat(2).st_size
        try:
            build = solved if job["quantizer"] == "qnnsolve" else upstream
            return build(model, exported, job, folder)
        except Failed as failed:
            with Path("/proc/self/fd/2").open("rb") as log:
                log.seek(log_start)
                said = errors_in(log.read().decode(errors="replace"))
            where, what = failed.args
            refused = isinstance(failed.__cause__, QnnSolveError)
            raised = {"stage": where, "error": what, "backend": said[-1] if said else "", "refused": refused}
            return {"exception": raised}


def has_weights(exported: Any) -> bool:
    """A weight to narrow: a float parameter of two dimensions or more, or of a norm; or the operand of a product."""
    for node in exported.graph.nodes:
        if node.op == "call_function" and any(word in f"{node.target}." for word in PRODUCTS):
            return True
        if node.op == "call_function" and any(
            source.op == "get_attr" and "val" in source.meta and source.meta["val"].is_floating_point()
            for source in node.all_input_nodes
        ):
            return True
    return False


def solved(model: OpModel, exported: Any, job: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Quantized by qnnsolve and compiled into ``folder``: the record's fields, with the CPU ops that were predicted."""
    from qnnsolve.lowering.lower import _save
    from qnnsolve.quantizer import SolveQuantizer
    from qnnsolve.results import Placement

    with stage("prepare"):
        quantizer = SolveQuantizer("htp", job["soc"], strict=bool(model.pins), precision=job["precision"])
        for pin in model.pins:
            quantizer.wish(pin, pin=True)
    converted = converted_by(quantizer, model, exported)
    quantized = {"fingerprint": fingerprint(converted, quantizer.cpu_nodes)}
    if quantized["fingerprint"] == job.get("known"):
        return {"unchanged": True}
    keep_outputs(model, converted, folder)
    with stage("lower"), fresh_hooks(), counting() as converts:
        _save(converted, model.inputs, quantizer.cpu_nodes, folder)
        lowering = {
            "program": str(folder / "program.pt2"),
            "inputs": str(folder / "inputs.pt"),
            "soc": job["soc"],
            "fp16": False,
            "pte": str(folder / "model.pte"),
        }
        answer = lowering_child.work(lowering, lambda stage, done, total: None)
        answer["cpu_ops"] = [op[:3] for op in answer["cpu_ops"]]
    result = quantizer.result
    assert result is not None
    predicted = [
        (node.name, node.target, node.deviations[0].reason if node.deviations else "")
        for node in result.nodes
        if node.placement is Placement.CPU
    ]
    counts = {"deviations": len(result.deviations), "converts": len(converts)}
    counts["unkept"] = unkept(converted, model.pins)
    return {**answer, **quantized, "predicted": predicted, **counts}


def converted_by(quantizer: Any, model: OpModel, exported: Any) -> Any:
    """The model as ``quantizer`` has it, after it has seen its samples; its states are as they were."""
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    from qnnsolve.verification.verify import restored

    with restored(tuple(exported.buffers())):
        with stage("prepare"):
            prepared = prepare_pt2e(exported, quantizer)
        with stage("calibrate"):
            for sample in model.samples or (model.inputs,):
                prepared(*copy.deepcopy(sample))
        with stage("convert"):
            return convert_pt2e(prepared)


def fingerprint(converted: Any, cpu_nodes: frozenset[str]) -> str:
    """Of everything that lowering sees: the graph with its encodings, its constants, and what stays on the CPU."""
    import torch

    digest = hashlib.sha256(f"{converted.graph} {sorted(cpu_nodes)}".encode())
    for name, value in sorted(converted.state_dict(keep_vars=False).items()):
        digest.update(name.encode())
        if isinstance(value, torch.Tensor):
            digest.update(value.detach().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def upstream(model: OpModel, exported: Any, job: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Quantized by ExecuTorch's ``QnnQuantizer`` and compiled into ``folder``: the record's fields."""
    from executorch.backends.qualcomm.export_utils import make_quantizer
    from executorch.backends.qualcomm.quantizer.quantizer import QuantDtype
    from executorch.backends.qualcomm.utils.utils import to_edge_transform_and_lower_to_qnn

    with stage("prepare"):
        quantizer = make_quantizer(
            quant_dtype=QuantDtype[f"use_{job['precision']}"], soc_model=job["soc"], **model.settings
        )
    converted = converted_by(quantizer, model, exported)
    keep_outputs(model, converted, folder)
    with stage("lower"), counting() as converts:
        specs = lowering_child._specs(job["soc"], False)
        edge = to_edge_transform_and_lower_to_qnn(converted, model.inputs, specs)
        graph_module = edge.exported_program().graph_module
        answer = {
            "delegates": program.delegates_in(graph_module),
            "cpu_ops": [(op.name, op.target, op.reason) for op in program.cpu_ops_of(graph_module, {})],
        }
        with (folder / "model.pte").open("wb") as file:
            edge.to_executorch().write_to_file(file)
    return {**answer, "converts": len(converts), "unkept": unkept(converted, model.pins)}


@contextlib.contextmanager
def counting() -> Iterator[list[str]]:
    """The names of the converts that the backend is given as long as the context lasts, with none twice."""
    from executorch.backends.qualcomm.qnn_preprocess import QnnBackend

    build, found = QnnBackend.__dict__["_build_op_wrappers"], []

    def counted(*args: Any, **kwargs: Any) -> Any:
        wrappers = build.__func__(*args, **kwargs)
        ops = [wrapper.GetOpWrapper() for wrapper in wrappers]
        found[:] = [*found, *(op.GetName() for op in ops if op.GetOpType() == "Convert")]
        return wrappers

    QnnBackend._build_op_wrappers = staticmethod(counted)
    try:
        yield found
    finally:
        QnnBackend._build_op_wrappers = build


@contextlib.contextmanager
def fresh_hooks() -> Iterator[None]:
    """What ``_placement`` hooks into ExecuTorch for the one program of its life, taken out again."""
    from executorch.backends.qualcomm.partition.qnn_partitioner import QnnOperatorSupport, QnnPartitioner
    from executorch.backends.qualcomm.qnn_preprocess import QnnBackend

    places = (
        (QnnOperatorSupport, "is_node_supported"),
        (QnnPartitioner, "ops_to_not_decompose"),
        (QnnBackend, "_build_op_wrappers"),
    )
    before = [(owner, name, owner.__dict__[name]) for owner, name in places]
    try:
        yield
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)


def keep_outputs(model: OpModel, converted: Any, folder: Path) -> None:
    """The outputs of the converted model, twice so that random ones can be told, and of the float model; of copies,
    so that what is lowered still has its buffers as they were."""
    import torch
    from torch.utils import _pytree as pytree

    from qnnsolve.verification.emulator import _dense
    from qnnsolve.verification.outputs import output_grids
    from qnnsolve.verification.verify import outputs_of

    with stage("reference"):
        kept = {
            "converted": outputs_of(copy.deepcopy(converted), model.inputs),
            "again": outputs_of(copy.deepcopy(converted), model.inputs),
            "float": outputs_of(copy.deepcopy(model.module), model.inputs),
            "grids": [grid and (grid.scale, grid.bits) for grid in output_grids(converted)],
        }
        torch.save([[_dense(leaf) for leaf in pytree.tree_leaves(model.inputs)]], folder / "samples.pt")
        torch.save(kept, folder / "expected.pt")


def run_one(job: dict[str, Any]) -> dict[str, Any]:
    """Run the program in ``job["folder"]``, and compare it with the outputs kept there."""
    import torch

    from qnnsolve.verification.comparison import OutputGrid, compare

    folder = Path(job["folder"])
    try:
        with stage("run"):
            said = emulator_child.work(
                {
                    "pte": str(folder / "model.pte"),
                    "samples": str(folder / "samples.pt"),
                    "outputs": str(folder / "outputs.pt"),
                },
                lambda stage, done, total: None,
            )
            if "refused" in said:
                return {"max_rel": None, "note": "kernel {} refuses its arguments ({})".format(*said["refused"])}
            kept = torch.load(folder / "expected.pt", weights_only=True)
            got = [tuple(torch.as_tensor(value) for value in sample) for sample in torch.load(folder / "outputs.pt")]
            if not all(torch.equal(a, b) for a, b in zip(kept["converted"], kept["again"], strict=True)):
                return {"max_rel": None, "note": "random outputs"}
            grids = [grid and OutputGrid(*grid) for grid in kept["grids"]]
            checked = compare(got, [kept["converted"]], [kept["float"]], grids=grids)
    except Failed as failed:
        return {"exception": {"stage": failed.args[0], "error": failed.args[1], "backend": ""}}
    return {
        "max_rel": checked.emulator_vs_converted_max_rel,
        "steps": [(check.steps, check.bits) for check in checked.outputs],
        "verdict": checked.verdict and checked.verdict.value,
        "sqnr_db": checked.sqnr_db,
        "converted_sqnr_db": min(
            (each.converted.worst for each in checked.outputs if each.converted), default=math.inf
        ),
        "note": checked.note,
    }


def serve(answer_one: Callable[[dict[str, Any]], dict[str, Any]], answers: IO[str]) -> None:
    """Answer jobs, one JSON object a line each, until there are no more."""
    for line in sys.stdin:
        start = time.perf_counter()
        answer = answer_one(json.loads(line))
        answers.write(json.dumps({**answer, "seconds": round(time.perf_counter() - start, 2)}) + "\n")
        answers.flush()
    os._exit(0)  # past QNN's destructors, which may abort


def main() -> None:
    """The child's whole life."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # before ExecuTorch, which prints as it is imported
    from qnnsolve.host.libraries import ensure_loaded

    ensure_loaded()
    import executorch.kernels.quantized  # noqa: F401
    import torchao.quantization.pt2e.quantize_pt2e  # noqa: F401

    if sys.argv[1] == "run":
        serve(run_one, answers)
    else:
        serve(lambda job: {"names": list(models())} if job.get("names") else compile_one(job), answers)


if __name__ == "__main__":
    main()

"""Archives of other content, and what is said of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from qnnsolve.errors import UsageError
from qnnsolve.models.files import LoadedModel, load_model
from qnnsolve.models.locating import FileRef


def load(data: bytes) -> LoadedModel:
    Path("m.pt2").write_bytes(data)
    return load_model(FileRef("m.pt2", Path("m.pt2")))


def refusal(data: bytes) -> str:
    with pytest.raises(UsageError) as error:
        load(data)
    text = str(error.value)
    assert text.startswith("model m.pt2 ") and "\n" not in text and len(text) < 700
    return text


# --- code ---------------------------------------------------------------------------------------------------------

Graph = dict[str, Any]


Change = Callable[[Graph], object]


def first(graph: Graph, key: str) -> Iterator[tuple[dict[str, Any], Any]]:
    """Every place of ``key`` in parsed JSON, with the object that holds it."""
    if isinstance(graph, dict):
        if key in graph:
            yield graph, graph[key]
        for each in graph.values():
            yield from first(each, key)
    elif isinstance(graph, list):
        for each in graph:
            yield from first(each, key)


def setting(key: str, value: Any, at: int = 0) -> Change:
    def change(graph: Graph) -> None:
        list(first(graph, key))[at][0][key] = value

    return change

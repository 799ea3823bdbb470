"""The JSON of a command, held to its schema."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema

ROOT = Path(__file__).parents[2]
Ask = Callable[..., tuple[int, str, str]]


def document_of(ask: Ask, *argv: str) -> dict[str, Any]:
    """The JSON of a command, held to its schema."""
    code, out, err = ask(*argv, "--format", "json")
    document: dict[str, Any] = json.loads(out)
    assert err == "" and code in (0, 1)
    hold(document)
    return document


def hold(document: dict[str, Any]) -> None:
    """Fail where ``document`` does not hold to the schema that it names."""
    name = document["schema"].removeprefix("qnnsolve/").replace("/", "-")
    schema = json.loads((ROOT / "qnnsolve" / "schema" / f"{name}.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(document)

"""What was changed in a model before it was solved for, one line each, kept in the model itself: :func:`notes_of`."""

from __future__ import annotations

from torch.fx import GraphModule

__all__ = ["add_notes", "notes_of"]

_KEY = "qnnsolve_notes"


def notes_of(model: GraphModule) -> tuple[str, ...]:
    """One line for each change that a step has made in what ``model`` computes, in order."""
    return tuple(model.meta.get(_KEY, ()))


def add_notes(model: GraphModule, *notes: str) -> None:
    """Add these lines to :func:`notes_of`, without those that stand there already."""
    model.meta[_KEY] = tuple(dict.fromkeys((*notes_of(model), *notes)))

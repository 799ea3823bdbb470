"""Figures of each network's task, higher is better: ``benchmarks.search.metrics:cnn_accuracy``. Each takes what runs
the network (a module, a converted one, a function) and runs it over the evaluation samples."""

from __future__ import annotations

from types import MappingProxyType

import torch

from benchmarks.search.networks import NETWORKS, Network, Run, answers

CENTS = 50
"""How far from the true pitch still counts as right: a quarter tone, as is usual."""
FIRST_CENTS, STEP_CENTS = 1997.3794084376191, 20
"""The pitch of CREPE's first bin in cents above 10 Hz, and the distance of two bins (torchcrepe 0.0.24)."""


def cnn_accuracy(run: Run) -> float:
    """The share of digits that the CNN reads right."""
    return _measured("cnn", run)


def vit_accuracy(run: Run) -> float:
    """The share of digits that the ViT reads right."""
    return _measured("vit", run)


def encoder_cosine(run: Run) -> float:
    """The mean cosine between embeddings and those of the float network."""
    return _measured("encoder", run)


def pitch_accuracy(run: Run) -> float:
    """The share of frames whose pitch is found within a quarter tone."""
    return _measured("pitch", run)


def _measured(name: str, run: Run) -> float:
    network = NETWORKS[name]()
    return of(network, answers(run, network.evaluation))


def of(network: Network, found: torch.Tensor) -> float:
    """The network's metric of what was answered to its evaluation samples, or to the first of them."""
    return _OF[network.name](network, found)


def of_labels(network: Network, logits: torch.Tensor) -> float:
    """The share of ``logits`` whose largest is at the true label."""
    assert network.truth is not None, "it has labels"
    return float(torch.eq(logits.argmax(1), network.truth[: len(logits)]).float().mean())


def cosine(network: Network, embeddings: torch.Tensor) -> float:
    """The mean cosine to the float network."""
    return float(torch.nn.functional.cosine_similarity(embeddings, network.expected[: len(embeddings)]).mean())


def of_pitches(network: Network, bins: torch.Tensor) -> float:
    """The share of ``bins`` whose largest is at the true pitch."""
    assert network.truth is not None
    found = FIRST_CENTS + STEP_CENTS * bins.argmax(1)
    return float(((found - network.truth[: len(bins)]).abs() <= CENTS).float().mean())


def sqnr(network: Network, found: torch.Tensor) -> float:
    """Signal over noise power at the output over the evaluation samples, in dB."""
    return decibels(network.expected, found)


def decibels(expected: torch.Tensor, found: torch.Tensor) -> float:
    """Signal over noise power in dB, of each one mean over everything."""
    noise = (found.double() - expected.double()).square().mean()
    return float(10 * torch.log10(expected.double().square().mean() / noise.clamp_min(1e-30)))


_OF = MappingProxyType({"cnn": of_labels, "vit": of_labels, "encoder": cosine, "pitch": of_pitches})

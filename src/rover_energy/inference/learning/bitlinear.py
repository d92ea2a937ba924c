"""Training with ternary weights and 8-bit activations, so that the product can be done by table lookup."""

from __future__ import annotations

from typing import Any

from rover_energy.inference.learning.tools import torch_of


def bit_linear(x: Any, weights: Any, name: str) -> Any:
    """Product with weights gamma x (-1, 0, 1), gamma their mean absolute value, and activations in int8 by row.

    Gradients pass the rounding as if it were not there. Ma et al. 2024, arXiv 2402.17764.
    """
    torch = torch_of()
    gamma = weights.abs().mean() + 1e-8
    ternary = torch.clamp(torch.round(weights / gamma), -1, 1) * gamma
    scale = torch.clamp(x.abs().amax(dim=-1, keepdim=True), min=1e-12) / 127.0
    codes = torch.round(x / scale) * scale
    return (x + (codes - x).detach()) @ (weights + (ternary - weights).detach()).T

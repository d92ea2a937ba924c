"""Bytes that a backward pass keeps alive, counted as they are kept and let go."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Iterable
from typing import Any

from rover_energy.inference.learning.tools import torch_of


class KeptBytes:
    """Inside `with`: tensors that autograd saves, every storage once, those of the given weights not at all.

    live, peak : now, and the most so far [byte].
    """

    def __init__(self, weights: Iterable[Any]) -> None:
        self.torch = torch_of("measuring activations")
        self.weights = {w.untyped_storage().data_ptr() for w in weights}
        self.count: Counter[int] = Counter()
        self.live = self.peak = 0
        self.hooks = self.torch.autograd.graph.saved_tensors_hooks(self._pack, lambda box: box.tensor)

    def __enter__(self) -> KeptBytes:
        self.hooks.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.hooks.__exit__(*error)

    def _pack(self, tensor: Any) -> _Box:
        box, storage = _Box(tensor), tensor.untyped_storage()
        place, size = storage.data_ptr(), storage.nbytes()
        if place not in self.weights:
            self.count[place] += 1
            if self.count[place] == 1:
                self.live += size
                self.peak = max(self.peak, self.live)
            weakref.finalize(box, self._let_go, place, size)
        return box

    def _let_go(self, place: int, size: int) -> None:
        self.count[place] -= 1
        if self.count[place] == 0:
            self.live -= size


class _Box:
    """Holds a saved tensor; it dies with the graph that saved it."""

    __slots__ = ("__weakref__", "tensor")

    def __init__(self, tensor: Any) -> None:
        self.tensor = tensor

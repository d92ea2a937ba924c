"""The permission to drive: the supervisor's word, as long as it is fresh and the supervisor lives."""

from __future__ import annotations

import math
from typing import Any

from rover_energy.nodes.liveness import Peer

SILENCE = 1.0  # [s] without graph_state from a supervisor on this machine, whose end is seen at once
SILENCE_ELSEWHERE = 0.35  # [s] likewise from one on another machine


class Permission:
    """Shown every graph_state by `hear`; `missing` says why the rover must not drive, and is empty when it may."""

    def __init__(self) -> None:
        self._peer: Peer | None = None
        self._heard, self._text = -math.inf, ""

    def hear(self, message: Any, now: float) -> None:
        """A graph_state at the time `now` [s]."""
        if self._peer is None or self._peer.stated != message.hardware_id:
            peer = Peer(message.hardware_id)
            if peer.ended:  # the last words of a supervisor that has died
                peer.close()
                return
            if self._peer is not None:
                self._peer.close()
            self._peer = peer
        self._heard, self._text = now, "" if message.level == message.OK else message.message or "not ready"

    @property
    def asked(self) -> bool:
        """Whether there is or was a supervisor."""
        return self._peer is not None

    def missing(self, now: float) -> str:
        """What is amiss at the time `now` [s]; empty when the rover may drive."""
        if self._peer is None:
            return "no supervisor"
        if self._peer.ended:
            return "the supervisor has ended"
        limit = SILENCE if self._peer.local else SILENCE_ELSEWHERE
        if not now - self._heard <= limit:
            return f"the supervisor is silent for {now - self._heard:.1f} s"
        return self._text

"""The supervisor: brings the lifecycle nodes up in order, sees when one dies or hangs, and says whether the rover may drive."""

from __future__ import annotations

import time as clock
from collections.abc import Callable
from typing import Any

from rover_energy.errors import InputError
from rover_energy.nodes import ros
from rover_energy.nodes.liveness import Peer, identity
from rover_energy.nodes.settings import SupervisorParameters
from rover_energy.nodes.supervision import Member, Roster, State, Step

LOOK, TELL = 0.04, 0.1  # [s] of real time between two looks at the processes, and two graph_state


def names(text: str) -> list[str]:
    """Names with commas between."""
    return [word.strip() for word in text.split(",") if word.strip()]


class Supervisor(ros.Part):
    """Starts by itself, and works from then on: whoever restarts it after its death has nothing to ask of it."""

    name, parameters, beats = "supervisor", SupervisorParameters, False

    def hosted(self) -> None:
        self.start_timer = self.every(0.01, self.start)

    def start(self) -> None:
        """Configure and activate itself."""
        self.start_timer.cancel()
        done = self.ros.trigger_configure()
        if "SUCCESS" in str(done):
            self.ros.trigger_activate()

    def configure(self) -> None:
        p = self.settings
        chosen, optional, busy = names(p.nodes), names(p.optional), names(p.busy)
        if not chosen or len(set(chosen)) != len(chosen):
            raise InputError("supervisor", "nodes", "are missing or named twice", "give each name once, with commas", p.nodes)
        for name in optional:
            if name not in chosen:
                raise InputError("supervisor", "optional", "is not among the nodes", f"choose from {p.nodes}", name)
        members = [Member(n, required=n not in optional, patience=p.longest if n in busy else p.silence) for n in chosen]
        self.roster = Roster(members, deadline=p.deadline)
        self.peers: dict[str, Peer] = {}
        transition = ros.need("lifecycle_msgs.msg").Transition
        self.codes = {step: getattr(transition, f"TRANSITION_{step.name}") for step in Step}
        self.kind = ros.need("lifecycle_msgs.srv").ChangeState
        self.services = {n: self.ros.create_client(self.kind, f"{n}/change_state") for n in chosen}
        self.status = ros.message_class("diagnostic_msgs/msg/DiagnosticStatus")
        self.pair = ros.message_class("diagnostic_msgs/msg/KeyValue")
        self.own, self.told, self.text, self.next_report = identity(), "", "nothing heard yet", 0.0
        self.send = self.publisher("graph_state")
        self.subscribe("heartbeat", self.on_heartbeat)

    def activate(self) -> None:
        self.timer = self.every(LOOK, self.look)

    def on_heartbeat(self, message: Any) -> None:
        """One node says in which state it is."""
        entry = self.roster.entries.get(message.name)
        if entry is None:
            return
        if message.hardware_id != entry.instance and not self.follow(message.name, message.hardware_id):
            return  # the last words of a process that has ended
        before = entry.state
        self.roster.heard(message.name, message.message, message.hardware_id, clock.monotonic())
        if self.active and entry.state is not before:
            self.look()

    def follow(self, name: str, stated: str) -> bool:
        """Watch another process under a name; False when it has ended already."""
        peer = Peer(stated)
        if peer.ended:
            peer.close()
            return False
        if name in self.peers:
            self.peers[name].close()
        self.peers[name] = peer
        return True

    def look(self) -> None:
        """Who has ended, who hangs, what is to be asked, and what is to be told."""
        now = clock.monotonic()
        for name, peer in self.peers.items():
            if peer.ended:
                self.roster.ended(name, peer.stated)
        for name in self.roster.hanging(now):
            self.give_up_on(name)
        for name, step in self.roster.steps(now):
            self.ask(name, step)
        self.report(now)

    def give_up_on(self, name: str) -> None:
        """A process that hangs is killed, for whoever started it to start it again; one elsewhere is only not counted on."""
        self.ros.get_logger().error(f"{name} is silent: ended")
        entry, peer = self.roster.entries[name], self.peers.get(name)
        if peer is not None:
            peer.kill()
        self.roster.ended(name, entry.instance)

    def ask(self, name: str, step: Step) -> None:
        """Request a transition; its answer comes later, or never."""
        request = self.kind.Request()
        request.transition.id = self.codes[step]
        future = self.services[name].call_async(request)
        future.add_done_callback(lambda done: self.answered(name, step, done))

    def answered(self, name: str, step: Step, done: Any) -> None:
        """A node did what it was asked, or refused."""
        if done.result() is not None:
            self.roster.answered(name, step, bool(done.result().success), clock.monotonic())

    def report(self, now: float) -> None:
        """graph_state: at its rate, and at once when something has changed."""
        verdict = self.roster.verdict(now)
        states = {name: entry.state for name, entry in self.roster.entries.items()}
        shown = f"{verdict.text} {states}"
        if shown == self.told and now < self.next_report:
            return
        if verdict.text != self.text:
            self.text = verdict.text
            self.ros.get_logger().info(verdict.text or "the graph is ready")
        self.told, self.next_report = shown, now + TELL
        level = self.status.OK if verdict.ready else self.status.ERROR if verdict.failed else self.status.WARN
        message = self.status(level=level, name="graph", message=verdict.text or "ready", hardware_id=self.own)
        entries = self.roster.entries.items()
        message.values = [self.pair(key=name, value=f"{entry.state.value} {entry.instance}") for name, entry in entries]
        self.send(message)

    def ending(self, spin: Callable[[float], None]) -> None:
        """Take the nodes down in the opposite order, the permission to drive first."""
        if not self.active:
            return
        self.roster.up = False
        until = clock.monotonic() + self.settings.farewell
        self.look()
        while not self.roster.down and clock.monotonic() < until:
            spin(0.02)
            self.look()
        left = [name for name, entry in self.roster.entries.items() if entry.state is State.ACTIVE]
        self.ros.get_logger().info(f"still active: {', '.join(left)}" if left else "all nodes are down")


def main() -> None:
    """Entry point."""
    ros.run(Supervisor)


if __name__ == "__main__":
    main()

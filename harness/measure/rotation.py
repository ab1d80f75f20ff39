"""One restart of a rotation: all members up, loaded in turn, read at the edges of their slots and in between."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from harness.applications import hooks
from harness.applications.served import Hook
from harness.deploy.launch import Deployment, deploy
from harness.deploy.spec import ServerSpec
from harness.errors import MemberError, TargetError
from harness.host import interruptions, placement, procfs, speed
from harness.host.affinity import confined, place_database
from harness.host.processes import Supervisor
from harness.load.turns import Lane, TurnReport, TurnSession
from harness.measure import schedule
from harness.measure.collect import reported, unmet
from harness.measure.job import Label, MeasuredRestart, RotationJob, postgres_processes
from harness.measure.members import Tally, Watch, measurement
from harness.measure.meters import DeploymentMeter, Reading
from harness.measure.schedule import SlotLength
from harness.measure.target import REQUEST_SECONDS, load_target
from harness.model.events import Emit, MeasurementProgress
from harness.model.measurement import Measurement
from harness.model.rotation import LatencyCounts, MemberSamples, Restart, Slots
from harness.stats.latencies import tail_moments

CENSUS_SECONDS = 1.0
CONNECTING_PAUSES = 4.0
"""Of open load: by then 98 of 100 users have sent something."""
SERVICE_TIMES = 500.0
"""Of open load: service times that a slot holds at least, so that its queue is neither empty nor still growing; but not
so many that the machine does not stand still meanwhile."""


def measure_restart(job: RotationJob, label: Label, seed: int, emit: Emit) -> MeasuredRestart:
    """Start all members anew and load them in turn. Everything that it starts has ended when it returns or raises.

    MemberError where a member does not come up, or does not answer.
    """
    began = time.monotonic()
    started_at = datetime.now(UTC).isoformat(timespec="milliseconds")
    chance = random.Random(seed)
    placement = job.specs[0].placement
    place_database(postgres_processes(job.specs), placement.database_cpus)
    with confined(placement.generator_cpus), Supervisor() as supervisor:
        emit(MeasurementProgress(phase="boot"))
        for hook in _distinct_hooks(job.specs):
            hooks.run(hook, supervisor)
        order = chance.sample(range(len(job.specs)), len(job.specs))
        deployments = deploy(job.specs, supervisor, order)
        lanes = [
            Lane(target=load_target(spec, deployment), users=job.users, rate=job.rate)
            for spec, deployment in zip(job.specs, deployments, strict=True)
        ]
        meters = [DeploymentMeter(deployment) for deployment in deployments]
        session = job.open_session(
            lanes, supervisor, placement.generator_cpus, seed, lambda lane: meters[lane].in_flight()
        )
        rounds = _Rounds(job, deployments, meters, session, chance, emit)
        rounds.carry_out()
        session.end()
        restart = rounds.restart(label, started_at, seed, time.monotonic() - began)
        return MeasuredRestart(
            restart=restart,
            measurements=rounds.measurements(restart),
            log_tails=[deployment.child.log_tail() for deployment in deployments],
        )


def _distinct_hooks(specs: Sequence[ServerSpec]) -> list[Hook]:
    distinct: list[Hook] = []
    for spec in specs:
        hook = spec.subject.before_visit()
        if hook is not None and hook not in distinct:
            distinct.append(hook)
    return distinct


@dataclass(kw_only=True, slots=True)
class _Slot:
    """What was read of one slot."""

    member: int
    round: int
    kind: int
    begin: Reading
    length: SlotLength
    readings: list[Reading]
    drained: Reading
    stolen: float
    report: TurnReport


class _Rounds:
    """Loads the members in turn."""

    def __init__(
        self,
        job: RotationJob,
        deployments: Sequence[Deployment],
        meters: Sequence[DeploymentMeter],
        session: TurnSession,
        chance: random.Random,
        emit: Emit,
    ) -> None:
        self._job, self._deployments, self._meters = job, deployments, meters
        self._session, self._chance, self._emit = session, chance, emit
        self._cores = job.specs[0].placement.cores
        self._slots: list[_Slot] = []
        kinds = len(job.least_lengths)
        self._tallies = [Tally.of_kinds(kinds) for _ in job.specs]
        self._watches = [
            Watch(deployment=each, generator_cpu=session.cpu_seconds, database_cpu=self._database_clock(spec))
            for each, spec in zip(deployments, job.specs, strict=True)
        ]
        self._responses = [0.0 for _ in job.specs]
        self._census_at = 0.0
        self._speeds: list[float] = []

    def carry_out(self) -> None:
        """A first slot of each member, which warms it up and shows its response time; then rounds."""
        self._begin_clocks()
        for member in schedule.orders(len(self._job.specs), self._chance):
            self._responses[member] = self._first_slot(member)
        members = range(len(self._job.specs))
        lengths = [[self._length(member, least) for member in members] for least in self._job.least_slot_seconds]
        for spec, watch in zip(self._job.specs, self._watches, strict=True):
            if spec.diagnose:
                watch.open()
        kinds = [self._job.least_lengths.index(least) for least in self._job.least_slot_seconds]
        last = self._slots[-1].member
        began, number = time.monotonic(), 0
        least = max(self._job.least_rounds, len(lengths))
        passed = 0.0
        while number < least or passed + passed / number / 2 < self._job.seconds:
            place = number % len(lengths)
            number += 1
            for member in schedule.orders(len(members), self._chance, last):
                self._slot(member, number, lengths[place][member], kinds[place])
                last = member
            passed = time.monotonic() - began
            share = min(1.0, max(passed / self._job.seconds, number / least)) if self._job.seconds else 1.0
            self._emit(MeasurementProgress(phase="window", fraction=share))
        self._end_clocks()

    def _length(self, member: int, least: float) -> SlotLength:
        spec = self._job.specs[member]
        response = self._responses[member]
        if self._job.rate is not None:
            least = max(least, min(schedule.LONGEST_SLOT, SERVICE_TIMES * response))
        return schedule.slot_length(
            response,
            settling_responses=self._job.settling_responses[member],
            known_wait_seconds=spec.subject.known_seconds,
            least_seconds=least,
        )

    def _first_slot(self, member: int) -> float:
        """Load a member until it has answered each of its users, and return its response time in seconds."""
        seconds = schedule.first_slot_seconds(self._job.specs[member].subject.known_seconds)
        if self._job.rate is not None:
            return self._first_open_slots(member, seconds, self._job.users / self._job.rate)
        wanted = schedule.FIRST_RESPONSES * self._job.users
        while True:
            slot = self._slot(member, 0, SlotLength(settling_seconds=seconds / 2, counted_seconds=seconds / 2))
            answered = slot.readings[-1].finished - slot.begin.finished
            if answered >= wanted or seconds >= schedule.LONGEST_FIRST_SLOT:
                break
            seconds = schedule.next_first_slot_seconds(seconds, answered / wanted)
        half = next(reading for reading in slot.readings if reading.at - slot.begin.at >= seconds / 2 - 1e-3)
        finished = slot.readings[-1].finished - half.finished
        rate = finished / (slot.readings[-1].at - half.at) if finished else 0.0
        return self._job.users / rate if rate else seconds

    def _first_open_slots(self, member: int, seconds: float, pause: float) -> float:
        """The same of open load. What the first of two is late with says nothing: the server is cold, and the users
        open their connections, each of which sends after a `pause` on average."""
        connecting = max(seconds, CONNECTING_PAUSES * pause)
        self._slot(member, 0, SlotLength(settling_seconds=connecting / 2, counted_seconds=connecting / 2))
        while True:
            slot = self._slot(member, 0, SlotLength(settling_seconds=seconds / 2, counted_seconds=seconds / 2))
            lasted = slot.report.lasted_us
            if lasted:
                return statistics.median(lasted) / 1e6
            if seconds >= schedule.LONGEST_FIRST_SLOT:
                return seconds
            seconds = schedule.next_first_slot_seconds(seconds, 0.0)

    def _slot(self, member: int, number: int, length: SlotLength, kind: int = 0) -> _Slot:
        meter, watch = self._meters[member], self._watches[member]
        spread = self._spread(member)
        length = length.prolonged(self._chance.uniform(0.0, spread))
        watch.begin()
        stolen = procfs.cpu_times(self._cores).stolen
        begin = meter.read()
        instant = self._session.begin(member, length.seconds, spread)
        readings = []
        for moment in schedule.reading_times(length):
            self._session.wait(instant + moment)
            readings.append(meter.read())
            if moment >= length.settling_seconds:
                watch.sample()
        known = self._job.specs[member].subject.known_seconds
        if not self._session.drained(member, REQUEST_SECONDS + known + 5):
            raise MemberError(
                member,
                TargetError(
                    f"{self._job.specs[member].cell.label} left {meter.in_flight()} requests unanswered for "
                    f"{REQUEST_SECONDS + known:g} s",
                    cure="see its log below",
                    detail=self._deployments[member].child.log_tail(),
                ),
            )
        slot = _Slot(
            member=member,
            round=number,
            kind=kind,
            begin=begin,
            length=length,
            readings=readings,
            drained=meter.read(),
            stolen=procfs.cpu_times(self._cores).stolen - stolen,
            report=self._session.report(member),
        )
        watch.end(slot.drained.at - begin.at)
        self._slots.append(slot)
        self._look(slot)
        if time.monotonic() >= self._census_at:
            for each in self._meters:
                each.census()
            self._speeds.append(speed.probe())
            self._census_at = time.monotonic() + CENSUS_SECONDS
        return slot

    def _spread(self, member: int) -> float:
        """Seconds over which a member's users begin, and by which its slots differ in length: a response time. Users
        who begin at once and wait for equally long are served in waves, of which a slot holds a whole number: of two
        members that differ by 1 %, both seem the same then, or one of them 5 % faster."""
        if self._job.rate is not None:
            return 0.0
        return self._responses[member] or self._job.specs[member].subject.known_seconds

    def _look(self, slot: _Slot) -> None:
        """Gather what the generator saw of a turn."""
        tally = self._tallies[slot.member]
        if slot.round:
            tally.add(slot.report, slot.kind, slot.length.settling_seconds * 1000, slot.length.seconds * 1000)
        tally.look(slot.report, self._job.specs[slot.member], self._deployments[slot.member])

    def _database_clock(self, spec: ServerSpec) -> Callable[[], float]:
        if spec.database is None or not spec.diagnose:
            return lambda: 0.0
        return self._postgres_cpu

    def _begin_clocks(self) -> None:
        self._began = time.monotonic()
        self._marks = interruptions.mark()
        self._generator = self._session.cpu_seconds()
        self._machine = procfs.cpu_times(self._cores)
        self._own = time.process_time()
        self._first = [meter.read() for meter in self._meters]
        self._switches = [meter.switches() for meter in self._meters]
        self._postgres = self._postgres_cpu()

    def _end_clocks(self) -> None:
        self._seconds = time.monotonic() - self._began
        self._interruptions = interruptions.between(self._marks, interruptions.mark())
        generator = self._session.cpu_seconds() - self._generator
        machine = procfs.cpu_times(self._cores)
        self._last = [meter.read() for meter in self._meters]
        self._switches = [meter.switches() - before for meter, before in zip(self._meters, self._switches, strict=True)]
        servers = sum(last.cpu - first.cpu for first, last in zip(self._first, self._last, strict=True))
        ours = generator + servers + time.process_time() - self._own + self._postgres_cpu() - self._postgres
        cores = self._seconds * len(self._cores)
        allotted = placement.allotted(self._job.specs[0].placement.generator_cpus)
        loaded = sum(slot.drained.at - slot.begin.at for slot in self._slots)
        self._generator_share = generator / loaded / allotted if loaded else 0.0
        self._foreign_share = max(0.0, machine.busy - self._machine.busy - ours) / cores
        self._stolen_share = (machine.stolen - self._machine.stolen) / cores

    def _postgres_cpu(self) -> float:
        database = next((spec.database for spec in self._job.specs if spec.database is not None), None)
        if database is None or database.postmaster is None:
            return 0.0
        return procfs.family_cpu_seconds(database.postmaster)

    def measurements(self, restart: Restart) -> list[Measurement]:
        """What each member did in it."""
        return [
            measurement(
                restart,
                place,
                spec,
                self._deployments[place],
                self._watches[place],
                self._tallies[place],
                self._job.generator,
                self._session.argv,
            )
            for place, spec in enumerate(self._job.specs)
        ]

    def restart(self, label: Label, started_at: str, seed: int, seconds: float) -> Restart:
        """Everything that was read."""
        how_fast, spread = speed.summary(self._speeds)
        longest = max((slot.length for slot in self._slots if slot.round), key=lambda length: length.seconds)
        return Restart(
            number=label.number,
            cells=label.cells,
            set=label.set,
            started_at=started_at,
            seed=seed,
            method=longest.method,
            least_s=self._job.least_lengths,
            users=self._job.users,
            response_s=[round(response, 6) for response in self._responses],
            slots=self._columns(),
            members=[self._member(place) for place in range(len(self._job.specs))],
            seconds=round(seconds, 3),
            generator_cpu_share=round(self._generator_share, 4),
            foreign_cpu_share=round(self._foreign_share, 4),
            stolen_cpu_share=round(self._stolen_share, 4),
            speed=how_fast,
            speed_spread=spread,
            interruptions=self._interruptions,
        )

    def _columns(self) -> Slots:
        slots = self._slots
        return Slots(
            member=[slot.member for slot in slots],
            round=[slot.round for slot in slots],
            kind=[slot.kind for slot in slots],
            begin_s=[round(slot.begin.at - self._began, 6) for slot in slots],
            drained_s=[round(slot.drained.at - self._began, 6) for slot in slots],
            settling_s=[round(slot.length.settling_seconds, 6) for slot in slots],
            read_s=[[round(each.at - slot.begin.at, 6) for each in slot.readings] for slot in slots],
            finished=[[each.finished - slot.begin.finished for each in slot.readings] for slot in slots],
            cpu_s=[[round(each.cpu - slot.begin.cpu, 7) for each in slot.readings] for slot in slots],
            drained_requests=[slot.drained.finished - slot.begin.finished for slot in slots],
            drained_cpu_s=[round(slot.drained.cpu - slot.begin.cpu, 7) for slot in slots],
            answers=[slot.report.answers for slot in slots],
            failures=[slot.report.failures for slot in slots],
            opened=[slot.report.opened for slot in slots],
            stolen_s=[round(slot.stolen, 3) for slot in slots],
        )

    def _answers(self, place: int) -> int | None:
        total = self._session.total(place)
        if total is not None:
            return total
        reports = [slot.report for slot in self._slots if slot.member == place]
        return sum((report.answers or 0) + report.failures for report in reports)

    def _member(self, place: int) -> MemberSamples:
        spec, deployment, meter = self._job.specs[place], self._deployments[place], self._meters[place]
        own = [slot for slot in self._slots if slot.member == place]
        inside = sum(slot.drained.cpu - slot.begin.cpu for slot in own)
        outside = self._seconds - sum(slot.drained.at - slot.begin.at for slot in own)
        finished = self._last[place].finished - self._first[place].finished
        effective = reported(spec, deployment)
        tally = self._tallies[place]
        return MemberSamples(
            boot_s=round(deployment.boot_seconds, 4),
            requests_by_worker=meter.requests_by_worker(),
            rss_peak_bytes=meter.rss_peak_bytes,
            processes=meter.processes,
            cores=min(spec.cell.variant.workers, len(spec.placement.server_cpus or spec.placement.cores)),
            idle_cpu_share=round(max(0.0, self._last[place].cpu - self._first[place].cpu - inside) / outside, 6)
            if outside > 0
            else 0.0,
            switches_per_request=round(self._switches[place] / finished, 3) if finished else None,
            workers_lost=deployment.workers_lost(),
            answers=self._answers(place),
            started_requests=meter.started(),
            latency=[
                LatencyCounts(counts=dict(sorted(counts.items())), total_us=total, tail_moments=tail_moments(ends))
                for counts, total, ends in zip(tally.latency, tally.lasted_us, tally.ends, strict=True)
            ]
            if any(tally.latency)
            else [],
            known_wait_s=spec.subject.known_seconds,
            effective=effective,
            unmet=unmet(spec, deployment, effective),
            wrong_answer=tally.wrong,
            answers_checked=tally.checked,
        )

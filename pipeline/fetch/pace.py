"""Whose turn it is: one request at a time to a site, and the pause it is owed before the next one.

`HostBudgets` holds the turns and may serve many processes; `Pace` knows how a site has answered this one. Nothing here
speaks HTTP.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

MAX_ASKED_S = 300.0  # a Crawl-delay above this defers the site; it is never crawled faster
MAX_ADAPTIVE_S = 30.0
RESPONSES_OWED = 5.0  # response times of pause between requests: a slow site is a busy one
MIN_RETRY_AFTER_S = 1.0
MAX_RETRY_AFTER_S = 24 * 3600.0
MAX_BACK_OFF_S = 300.0
FAILURES_IN_A_ROW = 3
COOL_DOWN_S = 300.0  # how long an unreachable host is let alone
MAX_IDLE_SITES = 4096

UNREACHED = frozenset({"network", "timeout", "dns", "tls"})
REFUSING_CODES = frozenset({401, 402, 403, 451})
BUSY_CODES = frozenset({429, 503})


@dataclass(frozen=True, slots=True)
class Visit:
    """One request's stay at a site; `guest` tells it from every other one, in all processes."""

    site: str
    guest: str = field(default_factory=lambda: uuid.uuid4().hex)


class Budgets(Protocol):
    """Turns at sites, held in one place however many processes ask."""

    async def enter(self, visit: Visit, lease_s: float, max_wait_s: float = math.inf) -> float:
        """Wait for the site's turn and take it for `lease_s`; returns 0.

        Where the site is to be let alone for more than `max_wait_s`, returns at once for how long; no turn is taken.
        """
        ...

    async def keep(self, visit: Visit, lease_s: float) -> None:
        """Hold the turn for another `lease_s` from now: a long body is still being read.

        A turn whose lease has ended by itself is not taken back.
        """
        ...

    async def leave(self, visit: Visit, pause_s: float) -> None:
        """Give the turn back; the next one is not before `pause_s` from now.

        Who leaves after the end of its lease is owed the pause and ends nobody else's turn.
        """
        ...


@dataclass(slots=True)
class _Turn:
    next_s: float = 0.0
    held_until_s: float = 0.0
    guest: str = ""  # who holds it
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque[asyncio.Future[None]])
    expiry: asyncio.TimerHandle | None = None


class HostBudgets:
    """The turns of all sites, in the order they are asked for. A lease that nobody keeps ends by itself."""

    def __init__(self) -> None:
        """Start with every site free."""
        self._turns: dict[str, _Turn] = {}

    async def enter(self, visit: Visit, lease_s: float, max_wait_s: float = math.inf) -> float:
        """Wait for the site's turn; see Budgets."""
        turn = self._turn(visit.site)
        if turn.next_s - _now_s() > max_wait_s:
            return turn.next_s - _now_s()
        if turn.waiting or turn.held_until_s > _now_s():
            await self._stand_in_line(turn)
        turn.guest = visit.guest
        turn.held_until_s = math.inf  # the pause before the turn is no part of the lease
        try:
            pause_s = turn.next_s - _now_s()
            if pause_s > max_wait_s:
                self._hand_over(turn)
                return pause_s
            if pause_s > 0:
                await asyncio.sleep(pause_s)
        except BaseException:
            self._hand_over(turn)
            raise
        self._hold(turn, lease_s)
        return 0.0

    async def keep(self, visit: Visit, lease_s: float) -> None:
        """Hold the turn longer; see Budgets."""
        turn = self._turn(visit.site)
        if turn.guest == visit.guest:
            self._hold(turn, lease_s)

    async def leave(self, visit: Visit, pause_s: float) -> None:
        """Give the turn back; see Budgets."""
        turn = self._turn(visit.site)
        turn.next_s = max(turn.next_s, _now_s() + pause_s)
        if turn.guest == visit.guest:
            self._hand_over(turn)

    def _turn(self, site: str) -> _Turn:
        turn = self._turns.get(site)
        if turn is None:
            if len(self._turns) >= MAX_IDLE_SITES:
                self._forget_idle()
            turn = self._turns[site] = _Turn()
        return turn

    async def _stand_in_line(self, turn: _Turn) -> None:
        ticket = asyncio.get_running_loop().create_future()
        turn.waiting.append(ticket)
        try:
            await ticket
        except asyncio.CancelledError:
            if ticket.done() and not ticket.cancelled():
                self._hand_over(turn)
            raise

    def _hold(self, turn: _Turn, lease_s: float) -> None:
        if turn.expiry is not None:
            turn.expiry.cancel()
        turn.held_until_s = _now_s() + lease_s
        turn.expiry = asyncio.get_running_loop().call_later(lease_s, self._hand_over, turn)

    def _hand_over(self, turn: _Turn) -> None:
        if turn.expiry is not None:
            turn.expiry.cancel()
            turn.expiry = None
        turn.guest, turn.held_until_s = "", 0.0
        while turn.waiting:
            ticket = turn.waiting.popleft()
            if not ticket.done():
                turn.held_until_s = math.inf
                ticket.set_result(None)
                return

    def _forget_idle(self) -> None:
        now = _now_s()
        idle = [
            site
            for site, turn in self._turns.items()
            if not turn.waiting and turn.held_until_s <= now and turn.next_s <= now
        ]
        for site in idle:
            del self._turns[site]


def _now_s() -> float:
    return asyncio.get_running_loop().time()


@dataclass(frozen=True, slots=True)
class Clock:
    """Time and chance, so that a test can bring its own: Unix seconds, steady seconds, a wait of at most so long."""

    wall_s: Callable[[], float] = time.time
    steady_s: Callable[[], float] = time.perf_counter
    jitter_s: Callable[[float], float] = lambda most_s: random.uniform(0.0, most_s)

    def wall_ms(self) -> int:
        """Return the Unix time in milliseconds."""
        return int(self.wall_s() * 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a host answered, as far as its pace is concerned."""

    status: str
    http_status: int | None
    response_s: float
    is_retryable: bool
    retry_after_s: float | None


@dataclass(slots=True)
class _Site:
    asked_s: float = 0.0  # Crawl-delay or Request-rate
    response_s: float = 0.0
    num_errors: int = 0  # in a row
    deferred_until_s: float = 0.0


@dataclass(slots=True)
class _Host:
    num_failures: int = 0  # addresses that could not be reached, in a row
    num_refusals: int = 0  # in a row
    open_until_s: float = 0.0


class Pace:
    """How sites have answered, and so how long to pause and whom to ask no more."""

    def __init__(self, delay_s: float, max_wait_s: float, clock: Clock) -> None:
        """Know no site yet."""
        self._delay_s = delay_s
        self._max_wait_s = max_wait_s
        self._clock = clock
        self._sites: dict[str, _Site] = {}
        self._hosts: dict[str, _Host] = {}

    def refusal(self, site: str, host: str) -> tuple[str, str] | None:
        """Return the status and the reason when nothing may be asked of a host now."""
        known = self._hosts.get(host)
        if known is not None and known.num_refusals >= FAILURES_IN_A_ROW:
            return "host_refused", f"{host} refused {known.num_refusals} requests in a row"
        left_s = self._sites[site].deferred_until_s - self._clock.steady_s() if site in self._sites else 0.0
        if left_s > 0:
            return "host_deferred", f"{site} asked to be let alone for another {left_s:.0f} s"
        if known is not None and known.open_until_s > self._clock.steady_s():
            return "host_unreachable", f"{known.num_failures} addresses of {host} in a row could not be reached"
        return None

    def ask_delay(self, site: str, asked_s: float) -> None:
        """Take note of what a robots.txt asks for; the slowest of a site's hosts sets the pace."""
        state = self._site(site)
        state.asked_s = max(state.asked_s, asked_s)

    def note(self, site: str, host: str, outcome: Outcome) -> None:
        """Take note of an answer, or of there being none."""
        state, known = self._site(site), self._hosts.setdefault(host, _Host())
        is_error = outcome.is_retryable or outcome.http_status in BUSY_CODES
        # An error comes quickly: it must not make the next request come sooner.
        state.response_s = max(state.response_s, outcome.response_s) if is_error else outcome.response_s
        state.num_errors = state.num_errors + 1 if is_error else 0
        is_refusal = outcome.http_status in REFUSING_CODES
        known.num_refusals = known.num_refusals + 1 if is_refusal else 0
        known.num_failures = 0 if outcome.http_status is not None else known.num_failures
        if (outcome.retry_after_s or 0.0) > self._max_wait_s:
            state.deferred_until_s = self._clock.steady_s() + (outcome.retry_after_s or 0.0)

    def give_up(self, host: str) -> None:
        """Take note of an address that all attempts failed to reach; after three in a row the host is let alone."""
        known = self._hosts.setdefault(host, _Host())
        known.num_failures += 1
        if known.num_failures >= FAILURES_IN_A_ROW:
            known.open_until_s = self._clock.steady_s() + COOL_DOWN_S

    def pause_s(self, site: str, retry_after_s: float | None) -> float:
        """Return how long the site is owed before its next request."""
        state = self._site(site)
        adaptive_s = min(RESPONSES_OWED * state.response_s, MAX_ADAPTIVE_S) if self._delay_s > 0 else 0.0
        most_s = min(self._delay_s * 2.0**state.num_errors, MAX_BACK_OFF_S) if state.num_errors else 0.0
        back_off_s = self._clock.jitter_s(most_s) if most_s else 0.0
        return max(self._delay_s, min(state.asked_s, MAX_ASKED_S), adaptive_s, back_off_s, retry_after_s or 0.0)

    def _site(self, site: str) -> _Site:
        return self._sites.setdefault(site, _Site())

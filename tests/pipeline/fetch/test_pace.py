"""A site has one guest at a time and its pause between them, and who turns us away is asked no more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from pipeline.fetch.pace import Clock, HostBudgets, Outcome, Pace, Visit


class FakeLoop(asyncio.SelectorEventLoop):
    """A loop whose time passes at once, and only where everybody waits."""

    now_s = 0.0

    def time(self) -> float:
        return self.now_s

    def _run_once(self) -> None:
        due = [timer.when() for timer in self._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]
        if due and not self._ready:  # type: ignore[attr-defined]
            self.now_s = max(self.now_s, min(due))
        super()._run_once()  # type: ignore[misc]


def run(scenario: Callable[[HostBudgets], Awaitable[None]]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(scenario(HostBudgets()), 1e6)

    with asyncio.Runner(loop_factory=FakeLoop) as runner:
        runner.run(bounded())


def now_s() -> float:
    return asyncio.get_running_loop().time()


def test_a_site_is_entered_one_at_a_time_in_order_and_after_its_pause() -> None:
    async def scenario(budgets: HostBudgets) -> None:
        entered: list[tuple[str, float]] = []

        async def stay(name: str, site: str) -> None:
            visit = Visit(site)
            assert await budgets.enter(visit, 60) == 0
            entered.append((name, now_s()))
            await asyncio.sleep(0)
            await budgets.leave(visit, 2.0)

        await asyncio.gather(stay("a", "one"), stay("b", "one"), stay("c", "one"), stay("x", "other"))
        assert entered == [("a", 0.0), ("x", 0.0), ("b", 2.0), ("c", 4.0)]

    run(scenario)


def test_a_pause_longer_than_one_waits_gives_no_turn() -> None:
    async def scenario(budgets: HostBudgets) -> None:
        visit = Visit("one")
        await budgets.enter(visit, 60)
        waiting = asyncio.create_task(budgets.enter(Visit("one"), 60, 300))
        await asyncio.sleep(0)
        await budgets.leave(visit, 3600)
        assert await waiting == 3600
        assert await budgets.enter(Visit("one"), 60, 300) == 3600
        assert await budgets.enter(Visit("one"), 60) == 0
        assert now_s() == 3600

    run(scenario)


def test_the_turn_of_a_guest_that_died_ends_with_its_lease_and_that_of_a_live_one_does_not() -> None:
    async def scenario(budgets: HostBudgets) -> None:
        visit = Visit("one")
        await budgets.enter(visit, 30)
        waiting = asyncio.create_task(budgets.enter(Visit("one"), 60))
        for _ in range(4):
            await asyncio.sleep(20)
            await budgets.keep(visit, 30)
        assert not waiting.done()
        assert await waiting == 0
        assert now_s() == 110

    run(scenario)


def test_a_guest_that_stays_beyond_its_lease_ends_nobody_elses_turn() -> None:
    async def scenario(budgets: HostBudgets) -> None:
        late, holder = Visit("one"), Visit("one")
        await budgets.enter(late, 30)
        await asyncio.sleep(40)
        assert await budgets.enter(holder, 60) == 0
        third = asyncio.create_task(budgets.enter(Visit("one"), 60))
        await budgets.keep(late, 1000)
        await budgets.leave(late, 5)
        await asyncio.sleep(10)
        assert not third.done()
        await budgets.leave(holder, 1)
        assert await third == 0
        assert now_s() == 51

    run(scenario)


def test_one_that_gives_up_waiting_passes_its_turn_on() -> None:
    async def scenario(budgets: HostBudgets) -> None:
        visit = Visit("one")
        await budgets.enter(visit, 60)
        tasks = [asyncio.create_task(budgets.enter(Visit("one"), 60)) for _ in range(3)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        await budgets.leave(visit, 1.0)
        tasks[1].cancel()
        assert await tasks[2] == 0

    run(scenario)


def test_thousands_of_idle_sites_are_forgotten() -> None:
    async def scenario(budgets: HostBudgets) -> None:
        for number in range(10_000):
            visit = Visit(f"site{number}")
            await budgets.enter(visit, 60)
            await budgets.leave(visit, 0.0)
        assert len(budgets._turns) <= 4096  # pyright: ignore[reportPrivateUsage]

    run(scenario)


def pace(delay_s: float = 1.0, now: list[float] | None = None) -> Pace:
    times = now if now is not None else [0.0]
    return Pace(delay_s, 300.0, Clock(steady_s=lambda: times[0], jitter_s=lambda most_s: most_s))


def outcome(code: int | None = 200, response_s: float = 0.0, retry_after_s: float | None = None) -> Outcome:
    is_retryable = code is None or code >= 429
    status = "network" if code is None else f"http_{code}"
    return Outcome(
        status=status,
        http_status=code,
        response_s=response_s,
        is_retryable=is_retryable,
        retry_after_s=retry_after_s,
    )


@pytest.mark.parametrize(
    ("delay_s", "asked_s", "response_s", "retry_after_s", "expected"),
    [
        (1.0, 0.0, 0.1, None, 1.0),
        (1.0, 0.0, 2.0, None, 10.0),
        (1.0, 0.0, 60.0, None, 30.0),
        (1.0, 7.0, 0.1, None, 7.0),
        (1.0, 900.0, 0.1, None, 300.0),
        (1.0, 7.0, 2.0, 120.0, 120.0),
        (0.0, 0.0, 60.0, None, 0.0),
        (0.0, 3.0, 60.0, None, 3.0),
    ],
)
def test_the_longest_pause_that_anybody_asks_for_is_kept(
    delay_s: float, asked_s: float, response_s: float, retry_after_s: float | None, expected: float
) -> None:
    one = pace(delay_s)
    one.ask_delay("site", asked_s)
    one.note("site", "host", outcome(200, response_s))
    assert one.pause_s("site", retry_after_s) == expected


def test_errors_back_off_further_and_never_speed_up() -> None:
    one = pace()
    one.note("site", "host", outcome(200, 1.5))
    pauses: list[float] = []
    for _ in range(12):
        one.note("site", "host", outcome(503, 0.001))
        pauses.append(one.pause_s("site", None))
    assert pauses[:4] == [7.5, 7.5, 8.0, 16.0]
    assert pauses[-1] == 300.0
    one.note("site", "host", outcome(200, 0.1))
    assert one.pause_s("site", None) == 1.0


def test_three_refusals_in_a_row_are_a_hosts_no() -> None:
    one = pace()
    for code in (403, 200, 402, 403):
        one.note("site", "host", outcome(code))
    assert one.refusal("site", "host") is None
    one.note("site", "host", outcome(451))
    assert one.refusal("site", "host") == ("host_refused", "host refused 3 requests in a row")
    assert one.refusal("site", "elsewhere") is None


def test_a_host_that_three_addresses_failed_to_reach_is_let_alone_for_a_while() -> None:
    now = [0.0]
    one = pace(now=now)
    for _ in range(3):
        assert one.refusal("site", "host") is None
        one.note("site", "host", outcome(None))
        one.give_up("host")
    assert (one.refusal("site", "host") or ("",))[0] == "host_unreachable"
    now[0] = 301.0
    assert one.refusal("site", "host") is None


def test_a_site_that_wants_longer_than_we_wait_is_left_for_later() -> None:
    now = [0.0]
    one = pace(now=now)
    one.note("site", "host", outcome(429, retry_after_s=3600.0))
    assert one.refusal("site", "any") == ("host_deferred", "site asked to be let alone for another 3600 s")
    now[0] = 3601.0
    assert one.refusal("site", "any") is None

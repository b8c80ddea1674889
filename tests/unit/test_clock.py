from __future__ import annotations

import asyncio
import time

import pytest

from askfirst.clock import LoopClock, ScaledLoop, run_scaled, run_virtual
from askfirst.errors import InvalidInput, Unavailable


def test_virtual_time_starts_at_zero_and_jumps_to_the_next_timer() -> None:
    async def main() -> list[int]:
        clock = LoopClock()
        seen = [clock.now_ms()]
        for _ in range(600):
            await asyncio.sleep(1)
        seen.append(clock.now_ms())
        return seen

    assert run_virtual(main()) == [0, 600_000]


def test_ten_minutes_of_frames_end_on_the_millisecond() -> None:
    async def main() -> int:
        clock = LoopClock()
        for at in range(20, 600_001, 20):
            await clock.sleep_until(at)
            assert clock.now_ms() == at
        return clock.now_ms()

    assert run_virtual(main()) == 600_000


def test_sleepers_wake_in_order_of_their_times_in_every_run() -> None:
    async def main() -> list[tuple[int, int]]:
        clock = LoopClock()
        woken: list[tuple[int, int]] = []

        async def sleeper(name: int) -> None:
            for turn in range(1, 5):
                await clock.sleep_until(turn * (name + 3) * 7)
                woken.append((clock.now_ms(), name))

        async with asyncio.TaskGroup() as group:
            for name in range(20):
                group.create_task(sleeper(name))
        return woken

    first = run_virtual(main())
    assert [at for at, _ in first] == sorted(at for at, _ in first)
    assert len(first) == 80
    assert all(run_virtual(main()) == first for _ in range(3))


def test_a_time_that_has_passed_is_not_waited_for_but_lets_others_run() -> None:
    async def main() -> tuple[int, bool]:
        clock = LoopClock()
        await clock.sleep_until(50)
        ran = asyncio.Event()
        task = asyncio.create_task(asyncio.to_thread(lambda: None))
        asyncio.get_running_loop().call_soon(ran.set)
        await clock.sleep_until(10)
        seen = clock.now_ms(), ran.is_set()
        await task
        return seen

    assert run_virtual(main()) == (50, True)


def test_thread_work_is_waited_for_and_takes_no_virtual_time() -> None:
    async def main() -> tuple[int, list[int]]:
        clock, loop = LoopClock(), asyncio.get_running_loop()
        # Due long before the thread has done its rounds, and must not fire until it has.
        fired: list[int] = []
        loop.call_later(0.005, lambda: fired.append(clock.now_ms()))

        async def now() -> int:
            return clock.now_ms()

        def work() -> list[int]:
            # Each round finds the loop with nothing to do but wait for this thread.
            return [asyncio.run_coroutine_threadsafe(now(), loop).result(10) for _ in range(50)]

        seen = await asyncio.to_thread(work)
        assert not fired
        await asyncio.sleep(1)
        assert fired == [5]
        return clock.now_ms(), seen

    assert run_virtual(main()) == (1_000, [0] * 50)


def test_a_timeout_does_not_hit_thread_work() -> None:
    async def main() -> int:
        async with asyncio.timeout(0.001):
            return await asyncio.to_thread(lambda: sum(range(200_000)))

    assert run_virtual(main()) == sum(range(200_000))


def test_a_failing_job_does_not_stop_virtual_time_for_ever() -> None:
    async def main() -> int:
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 // 0)
        await asyncio.sleep(3)
        return LoopClock().now_ms()

    assert run_virtual(main()) == 3_000


def test_waiting_for_what_nobody_will_send_raises_instead_of_hanging() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Unavailable, match="virtual time stands still"):
        run_virtual(main())


def test_a_deadlock_after_thread_work_raises_too() -> None:
    async def main() -> None:
        await asyncio.to_thread(lambda: None)
        await asyncio.sleep(1)
        await asyncio.Event().wait()

    with pytest.raises(Unavailable, match="virtual time stands still"):
        run_virtual(main())


def test_scaled_time_never_runs_faster_than_its_multiple_of_the_wall() -> None:
    async def main() -> None:
        clock = LoopClock()
        outer = time.monotonic()
        began = clock.now_ms()
        await clock.sleep_until(began + 2_000)
        passed_ms = clock.now_ms() - began
        outer = time.monotonic() - outer
        assert 2_000 <= passed_ms <= outer * 1_000 * 200 + 1

    run_scaled(main(), speed=200)


def test_scaled_time_stands_still_while_the_loop_works() -> None:
    async def main() -> None:
        clock = LoopClock()
        began = clock.now_ms()
        busy_until = time.monotonic() + 0.02
        while time.monotonic() < busy_until:
            pass
        assert clock.now_ms() == began

    run_scaled(main(), speed=200)


def test_scaled_time_waits_at_least_as_long_as_asked() -> None:
    async def main() -> list[int]:
        clock = LoopClock()
        late = []
        for _ in range(20):
            due = clock.now_ms() + 40
            await clock.sleep_until(due)
            late.append(clock.now_ms() - due)
        return late

    assert min(run_scaled(main(), speed=40)) >= 0


@pytest.mark.parametrize("speed", [0, -1, 0.001, 1_001, float("nan"), float("inf")])
def test_a_speed_that_makes_no_sense_is_refused(speed: float) -> None:
    async def main() -> None:
        raise AssertionError("must not run")

    with pytest.raises(InvalidInput, match="speed"):
        run_scaled(main(), speed)


def test_a_scaled_loop_wakes_for_another_thread() -> None:
    async def main() -> str:
        return await asyncio.to_thread(lambda: "woken")

    assert run_scaled(main(), speed=10) == "woken"
    ScaledLoop(2).close()

"""Tasks in several processes, or in this one. Which process does what changes no result."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, NamedTuple, Self

from cds_service.rehearsal.errors import StoppedError
from cds_service.rehearsal.tasks import Setup
from cds_service.rehearsal.work import Worker


class Task(NamedTuple):
    """A method of `Worker` with its arguments. `name` stands for it in the journal."""

    name: str
    method: str
    arguments: tuple[Any, ...]
    size: int = 0


_worker: Worker | None = None


def _start(setup: Setup) -> None:
    global _worker  # noqa: PLW0603  (one worker a process, made when the process starts)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process stops the others
    _worker = Worker(setup)


def _run(method: str, arguments: tuple[Any, ...]) -> Any:
    return getattr(_worker, method)(*arguments)


def _context() -> multiprocessing.context.BaseContext:
    """Processes that share what is imported once, where the system has them."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


class Workers:
    """Runs tasks in so many processes, which end with the `with` block."""

    def __init__(self, setup: Setup, number: int) -> None:
        self._number = number
        self._own = Worker(setup) if number == 1 else None
        self._pool = (
            None
            if number == 1
            else ProcessPoolExecutor(
                number,
                mp_context=_context(),
                initializer=_start,
                initargs=(setup,),
            )
        )

    def run(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, Any]]:
        """The results, in the order in which they are ready."""
        if self._pool is None:
            for task in tasks:
                yield task, getattr(self._own, task.method)(*task.arguments)
            return
        yield from self._in_parallel(self._pool, iter(tasks))

    def _in_parallel(
        self, pool: ProcessPoolExecutor, tasks: Iterator[Task]
    ) -> Iterator[tuple[Task, Any]]:
        running: dict[Future[Any], Task] = {}
        try:
            for task in tasks:
                running[pool.submit(_run, task.method, task.arguments)] = task
                if len(running) > 2 * self._number:
                    yield from self._ready(running)
            while running:
                yield from self._ready(running)
        except BrokenProcessPool:
            text = "A worker process ended, perhaps for lack of memory. Run again with --resume."
            raise StoppedError(text) from None

    @staticmethod
    def _ready(running: dict[Future[Any], Task]) -> Iterable[tuple[Task, Any]]:
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        return [(running.pop(future), future.result()) for future in done]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Let the processes end; after an error or Ctrl-C at once."""
        if self._pool is None:
            return
        if error is not None:
            # `terminate_workers` is there from Python 3.14 on.
            for process in list((self._pool._processes or {}).values()):  # noqa: SLF001
                process.terminate()
        self._pool.shutdown(cancel_futures=True)

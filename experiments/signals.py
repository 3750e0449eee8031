"""Stopping a training by a signal, between two of its steps."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from stable_baselines3.common.callbacks import BaseCallback


class Interrupted(Exception):  # noqa: N818  (not an error: like KeyboardInterrupt)
    """A signal stopped a training run.

    Args:
        signum: the signal.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signum).name}")
        self.signum = signum


class StopOnSignal(BaseCallback):
    """Stops the training, between two steps, once a signal was received.

    Attributes:
        received: the first signal received by :meth:`listen`; None if there was none.
    """

    def __init__(self) -> None:
        super().__init__()
        self.received: int | None = None

    @contextmanager
    def listen(self, signals: tuple[signal.Signals, ...]) -> Iterator[None]:
        """Record ``signals`` instead of ending the process; afterwards restore the handlers.

        A second signal raises ``KeyboardInterrupt`` at once. Python lets only the main thread
        listen to signals: in other threads, this does nothing.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        earlier = {each: signal.signal(each, self._note) for each in signals}
        try:
            yield
        finally:
            for each, handler in earlier.items():
                signal.signal(each, signal.SIG_DFL if handler is None else handler)

    def _note(self, signum: int, _: FrameType | None) -> None:
        if self.received is not None:
            raise KeyboardInterrupt
        self.received = signum

    def _on_step(self) -> bool:
        if self.received is not None:  # False would let the other callbacks finish the training
            raise Interrupted(self.received)
        return True


@contextmanager
def raise_on_sigterm() -> Iterator[None]:
    """Raise ``Interrupted`` on SIGTERM; afterwards, the earlier handler is back.

    Python lets only the main thread listen to signals: in other threads, this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(signum: int, _: FrameType | None) -> None:
        raise Interrupted(signum)

    earlier = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if earlier is None else earlier)

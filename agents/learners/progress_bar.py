"""A progress bar that counts questions."""

from __future__ import annotations

from stable_baselines3.common.callbacks import ProgressBarCallback


class QuestionProgressBarCallback(ProgressBarCallback):
    """SB3's progress bar, counting questions instead of environment steps."""

    def _on_step(self) -> bool:
        self.pbar.update(self.model.num_timesteps - self.pbar.n)
        return True


def make_progress_bar() -> QuestionProgressBarCallback:
    """A progress bar.

    Raises:
        ImportError: if tqdm or rich is not installed.
    """
    try:
        return QuestionProgressBarCallback()
    except ImportError as error:
        raise ImportError(
            "progress_bar=True needs tqdm and rich: pip install 'ia-gym[experiments]'"
        ) from error

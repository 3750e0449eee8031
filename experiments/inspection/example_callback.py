"""What TensorBoard shows of a run beside its curves: settings, traces and pictures."""

from __future__ import annotations

from typing import Any

from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Image, Logger, TensorBoardOutputFormat
from torch.utils.tensorboard.summary import hparams

from ia_gym.agents.evaluation.evaluator import Evaluator

TEXTLESS = ("stdout", "log", "json", "csv")
"""Outputs of SB3's logger that cannot show pictures and long texts."""


class ExampleCallback(BaseCallback):
    """Logs the settings as hyperparameters and, during training, examples.

    An example is what :meth:`Evaluator.showing` gives: as text under ``examples/trace`` and, where
    it can be drawn, as a picture under ``examples/context``. No random state is touched.

    Args:
        evaluator: has the held-out problems.
        settings: what to list, nested as it is.
        every: timesteps from one example to the next.
    """

    def __init__(self, evaluator: Evaluator, settings: dict[str, Any], every: int) -> None:
        super().__init__()
        self.evaluator = evaluator
        self.settings = settings
        self.every = every

    def _on_training_start(self) -> None:
        log_hyperparameters(self.logger, flatten(self.settings))
        self.last = self.num_timesteps
        self._log_example()

    def _on_step(self) -> bool:
        if self.num_timesteps - self.last >= self.every:
            self._log_example()
        return True

    def _on_training_end(self) -> None:
        if self.num_timesteps > self.last:
            self._log_example()

    def _log_example(self) -> None:
        self.last = self.num_timesteps
        example = self.evaluator.showing(self.model)
        parts = (example.title, example.context, example.to_text(), example.summary)
        text = "```\n" + "\n".join(part for part in parts if part) + "\n```"
        self.logger.record("examples/trace", text, exclude=TEXTLESS)
        if example.draw is not None:
            picture = Image(example.draw(), "HWC")
            self.logger.record("examples/context", picture, exclude=TEXTLESS)
        self.logger.dump(self.num_timesteps)


def log_hyperparameters(logger: Logger, settings: dict[str, Any]) -> None:
    """List a run's settings on TensorBoard's HParams page, beside those of other runs.

    SB3's ``HParam`` also declares which columns the page has, and TensorBoard believes the run that
    it reads first: settings that only other runs have would not be shown. Without a declaration the
    page has all settings and all scalars of all runs.

    Args:
        logger: of the training.
        settings: see :func:`flatten`.
    """
    _, start, end = hparams(settings, {})  # type: ignore[no-untyped-call]
    for output in logger.output_formats:
        if isinstance(output, TensorBoardOutputFormat):
            assert output.writer.file_writer is not None
            for summary in (start, end):
                output.writer.file_writer.add_summary(summary)


def flatten(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested settings: one dict, dots in its keys, values that TensorBoard can list."""
    listed: dict[str, Any] = {}
    for key, value in settings.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            listed |= flatten(value, f"{name}.")
        else:
            listed[name] = value if isinstance(value, bool | int | float | str) else str(value)
    return listed

"""What TensorBoard shows beside the curves: settings of all runs, examples as text and picture."""

import pytest
from stable_baselines3.common.logger import configure
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams.backend_context import Context

from ia_gym.agents import PolicyAssistant, QuestionEvaluator, Supervised, make_evaluator
from ia_gym.experiments.inspection.example_callback import ExampleCallback, flatten

BASE = "IA-Permutation-v0"


def list_columns(folder):
    """What TensorBoard's HParams page has columns for: settings, and tags of measurements."""
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(folder)).Reload()
    provider = MultiplexerDataProvider(multiplexer, str(folder))
    context, request = Context(TBContext(data_provider=provider)), RequestContext()
    found = context.hparams_metadata(request, "")
    experiment = context.experiment_from_metadata(request, "", True, found, None)
    return (
        {info.name for info in experiment.hparam_infos},
        {info.name.tag for info in experiment.metric_infos},
    )


def run(folder, settings):
    model = Supervised(env=BASE, n_contexts=2, n_questions=4, seed=0)
    model.set_logger(configure(str(folder), ["tensorboard"]))
    callback = ExampleCallback(make_evaluator(BASE, 64), settings, 16)
    model.learn(24, callback)
    model.logger.record("eval/accuracy", 0.5)
    model.logger.dump(24)
    model.logger.close()
    return model


def test_settings_and_measurements_of_all_runs_are_listed(tmp_path):
    """Not those of the run alone that TensorBoard reads first."""
    run(tmp_path / "a", {"agent": "a", "model": {"learning_rate": 1e-3}})
    run(tmp_path / "b", {"agent": "b", "amplification": {"polyak_tau": 0.25}, "patience": None})
    settings, measurements = list_columns(tmp_path)
    assert settings == {"agent", "model.learning_rate", "amplification.polyak_tau", "patience"}
    assert "eval/accuracy" in measurements


def test_an_example_is_a_wrong_answer_as_text_and_picture(tmp_path):
    model = run(tmp_path, {})
    events = EventAccumulator(str(tmp_path)).Reload()
    tags = events.Tags()
    assert len(events.Images("examples/context")) == 3  # at 0, 16 and 24
    (tag,) = [tag for tag in tags["tensors"] if tag.startswith("examples/trace")]
    text = events.Tensors(tag)[-1].tensor_proto.string_val[0].decode()
    evaluator = QuestionEvaluator(BASE, 64)
    domain = evaluator.domain
    assistant = PolicyAssistant(model, deterministic=True)
    answers = assistant.answer(evaluator.contexts, evaluator.questions)
    wrong = ~domain.is_correct(evaluator.contexts, evaluator.questions, answers)
    number = int(wrong.argmax())
    row, column = divmod(number, 16)
    assert f"held-out question {number}" in text
    assert domain.question_text(evaluator.questions[row, column]) in text
    assert f"truth {domain.answer_text(int(evaluator.truths[row, column]))}" in text


@pytest.mark.parametrize("env_id", [BASE, "IA-CartPole-v0"])
def test_examples_of_all_kinds_of_environments(env_id):
    class First:
        def predict(self, observation, *, deterministic):
            n = len(observation["facts"] if isinstance(observation, dict) else observation)
            return [1] * n, None

    evaluator = make_evaluator(env_id)
    example = evaluator.showing(First(), number=2)
    assert example.title.startswith(f"{env_id}, held-out ")
    assert len(example.to_text(80).splitlines()) >= 3
    assert max(map(len, example.to_text(80).splitlines())) <= 80
    assert (example.draw is None) == (example.trace is None) == (env_id != BASE)
    with pytest.raises(ValueError, match="number must be in"):
        evaluator.showing(First(), number=-1)


def test_what_has_no_effect_on_episodes_is_refused():
    evaluator = make_evaluator("IA-CartPole-v0")
    for name, value in (("levels", 3), ("unfold", True)):
        with pytest.raises(ValueError, match=f"{name} is for environments that ask questions"):
            evaluator.showing(None, **{name: value})
    with pytest.raises(ValueError, match="n_eval_questions is for environments that ask"):
        make_evaluator("IA-CartPole-v0", 64)


def test_settings_are_flattened_to_what_tensorboard_lists():
    nested = {"a": {"b": 1, "c": {"d": 0.5}}, "e": None, "f": [1, 2], "g": "x", "h": True}
    assert flatten(nested) == {
        "a.b": 1, "a.c.d": 0.5, "e": "None", "f": "[1, 2]", "g": "x", "h": True,
    }  # fmt: skip

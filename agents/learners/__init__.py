"""Learners with the interface of Stable-Baselines3, one algorithm a file.

Algorithms:

- ``imitation.py``: imitation of the amplified overseer, and the whole loop of the paper.
- ``reinforce.py`` and ``answer_search.py``: the two updates of the post, by RL on approval.
- ``reinforce_with_demonstrations.py``: both at once.
- ``learned_decomposition.py``: the human predictor learns to decompose better than the human.
- ``supervised.py``: the supervised baseline.

What they are built on:

- ``answer_learner.py``: the training loop and SB3's interface; ``amplified_learner.py`` adds the
  overseer, and ``approval_learner.py`` its approval of answers.
- ``human_predictor_trainer.py``: the training of the human predictor;
  ``recorded_interactions.py``: interactions that were recorded before, to train it on.
- ``question_source.py``: what a learner reads from its environment.
- ``saved_learner.py`` and ``learner_files.py``: saving and loading, and the format of the files.
- ``schedules.py``: learning-rate schedules; ``progress_bar.py``: the progress bar.
"""

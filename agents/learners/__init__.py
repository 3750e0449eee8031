"""Learners with the interface of Stable-Baselines3, one algorithm a file.

Algorithms:

- ``imitation.py``: imitation of the amplified overseer, and the whole loop of the paper.
- ``reinforce.py`` and ``answer_search.py``: the two updates of the post, by RL on approval.
- ``reinforce_with_demonstrations.py``: both at once.
- ``learned_decomposition.py``: the human predictor learns to decompose better than the human.
- ``debate.py`` and ``consultancy.py``: answers that have to stand in a debate.
- ``reward_modelling.py`` and ``preferences.py``: RL on a model of the overseer's judgement.
- ``expert_iteration.py`` and ``tree_expert_iteration.py``: imitation of a search, by the truth.
- ``supervised.py``: the supervised baseline.

What they are built on:

- ``training_loop.py``: the training loop; ``answer_learner.py``: training on batches of questions;
  ``overseen_learner.py`` adds the
  overseer, ``amplified_learner.py`` the help that the agent gives it, and ``approval_learner.py``
  its approval of answers.
- ``debate_learner.py``: what debate and consultancy share; ``debate_challengers.py``: challengers
  with a network.
- ``reward_model_trainer.py``: the training of the reward model.
- ``distinct_answers.py``: different answers drawn from the policy.
- ``policy_gradient.py``: the policy gradient, of sampled answers or of all.
- ``human_predictor_trainer.py``: the training of the human predictor;
  ``recorded_interactions.py``: interactions that were recorded before, to train it on.
- ``question_source.py``: what a learner reads from its environment.
- ``saved_learner.py`` and ``learner_files.py``: saving and loading, and the format of the files.
- ``schedules.py``: learning-rate schedules; ``progress_bar.py``: the progress bar.
"""

"""What agents of Stable-Baselines3 need: batched environments, callbacks, and a masked DQN.

- ``bridge.py``: gymnasium's vector environments as an SB3 ``VecEnv``.
- ``approval_callback.py``: the mean approval in the log.
- ``amplification_callback.py``: a slow copy of the agent as the overseer's assistant.
- ``curriculum_callback.py``: the curriculum.
- ``evaluation_callback.py``: held-out evaluations during training.
- ``human_predictor_callback.py``: a human predictor in the overseer's place.
- ``collapse_monitor.py``: a warning of a collapse, without the truth.
- ``maskable_dqn.py``: DQN among the allowed actions.
- ``training_envs.py``: what these callbacks ask of the environments.
"""

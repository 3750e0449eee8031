"""Ray: training on several processes or machines. Needs ``pip install "ia-gym[ray]"``.

- ``session.py``: connecting to a Ray cluster, or starting one on this machine.
- ``amplification_workers.py``: actors that draw and answer batches for a learner.
- ``rllib_modules.py``: RLlib's PPO and DQN modules with the suite's network.
- ``rllib_callbacks.py``: the slow copy as assistant, and held-out evaluation, for RLlib.
- ``module_policy.py``: an RLlib module with the interface that evaluation and assistants take.
"""

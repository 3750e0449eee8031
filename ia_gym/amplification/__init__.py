"""Amplification (Christiano et al., 2018): what environments and learners share. NumPy only.

- ``overseers.py``: the protocol of overseers, and the one that follows a domain's script.
- ``work.py``: the rule by which the overseer's work is counted.
- ``approval.py``: how much the overseer approves of an answer; this is the reward.
- ``amplify.py``: the overseer asks its sub-questions, and an assistant answers them.
- ``assistants.py``: the protocol of assistants; the oracle, and one that knows nothing.
- ``amplified_assistants.py``: assistants that the overseer helps in turn.
- ``batches.py``: batches of questions with the overseer's answers, to train on.
- ``trust.py``: the trust gate: which classes of answers the overseer builds on.
- ``curriculum.py``: from shallow questions to deep ones, then to large contexts.
- ``moving_averages.py``: averages of approval by class, for the gate and the curriculum.
- ``trace.py``: the tree of sub-questions behind an answer.
- ``domain_checker.py``: a check of your own domain.
"""

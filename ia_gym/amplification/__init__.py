"""Amplification (Christiano et al., 2018): what environments and learners share. NumPy only.

- ``overseers.py``: the protocol of overseers, and the one that follows a domain's script.
- ``work.py``: the rule by which the overseer's work is counted.
- ``approval.py``: how much the overseer approves of an answer; this is the reward.
- ``failures.py``: overseers and assistants that fail with a given probability.
- ``votes.py``: an overseer that is asked several times, with the majority counting.
- ``deception.py``: an adversary's reward, the approval of false answers.
- ``monitor.py``: signs of a collapse that can be seen without the truth.
- ``hashing.py``: numbers that are a fixed function of contexts and questions.
- ``amplify.py``: the overseer asks its sub-questions, and an assistant answers them.
- ``assistants.py``: the protocol of assistants; the oracle, and one that knows nothing.
- ``amplified_assistants.py``: assistants that the overseer helps in turn.
- ``batches.py``: batches of questions with the overseer's answers, to train on.
- ``trust.py``: the trust gate: which classes of answers the overseer builds on.
- ``curriculum.py``: from shallow questions to deep ones, then to large contexts.
- ``moving_averages.py``: averages of approval by class, for the gate and the curriculum.
- ``decomposition_tree.py``: how much a decomposition asks, in one level and in all.
- ``trace.py``: the tree of sub-questions behind an answer.
- ``domain_checker.py``: a check of your own domain.
"""

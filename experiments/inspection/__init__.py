"""Looking at single agents: evaluation, traces, amplification at test time."""

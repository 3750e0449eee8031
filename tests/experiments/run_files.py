"""Files of finished runs, written in a moment rather than trained."""

import json

import numpy as np
import pandas as pd

BASE = "IA-Permutation-v0"


def write_run(
    folder, agent, seed=0, env_id=BASE, accuracies=(0.1, 0.6, 0.97), queries=1000, **more
):
    """A run's folder; ``queries`` are the overseer's at the end, ``more`` goes into the result."""
    share = np.linspace(0, 1, len(accuracies))
    score = "eval/accuracy"
    curve = pd.DataFrame(
        {
            "timesteps": (100_000 * share).astype(int),
            score: accuracies,
            f"{score}_depth_1": accuracies,
            f"{score}_depth_2": np.asarray(accuracies) / 2,
            "eval/certainty": share,
            "overseer/approval": np.minimum(np.asarray(accuracies) + 0.1, 1),
            "overseer/target_accuracy": share,
            "overseer/target_accuracy_depth_1": 1.0,
            "overseer/target_accuracy_depth_2": accuracies,
            "overseer/overapproval": 0.1,
            "overseer/collapsed": 0.0,
            "overseer/human_interactions": (queries * share).astype(int),
            "overseer/assistant_answers": 2.0 * queries * share,
            "time/minutes": 2 * share,
            "time/cpu_minutes": share,
        }
    )
    path = folder / env_id / f"{agent}_seed{seed}"
    path.mkdir(parents=True)
    curve.to_csv(path / "curve.csv", index=False)
    result = {
        "env_id": env_id,
        "agent": agent,
        "seed": seed,
        "command": f"ia-gym compare --env {env_id} --agents {agent}",
        "commit": "abc1234",
        "settings": {},
        "n_eval_questions": 64,
        "stopped_by": "budget",
        "final": curve.iloc[-1].to_dict(),
        **more,
    }
    (path / "result.json").write_text(json.dumps(result))
    return path

"""RLlib's PPO with the suite's network, a slow copy as assistant, and held-out evaluation.

`python examples/rllib_ppo.py 200000`; the second argument is the number of env runners, 0 for none.
Needs `pip install "ia-gym[ray]"`, see docs/scaling.md.
"""

import sys

from ray.rllib.algorithms.ppo import PPOConfig

from ia_gym.agents.ray.rllib_callbacks import SlowCopyCallback, make_held_out_callback
from ia_gym.agents.ray.rllib_modules import make_answer_module
from ia_gym.agents.ray.session import connect

ENV_ID = "ia_gym:IA-Permutation-N4-v0"
BATCH = 4096


def main(timesteps: int, n_env_runners: int) -> None:
    """Train for ``timesteps`` questions."""
    n = max(timesteps // BATCH, 1)
    kwargs = {"observation": "flat", "trust": None}
    config = (
        PPOConfig()
        .environment(ENV_ID, env_config={**kwargs, "autoreset_mode": "NextStep"})
        .env_runners(
            num_env_runners=n_env_runners,
            num_envs_per_env_runner=256,
            gym_env_vectorize_mode="vector_entry_point",  # the suite's own batched environment
        )
        .rl_module(rl_module_spec=make_answer_module("PPO", ENV_ID, **kwargs))
        .callbacks(
            [SlowCopyCallback, make_held_out_callback(ENV_ID, 1024, max(n // 4, 1), **kwargs)]
        )
        .training(
            train_batch_size_per_learner=BATCH,
            minibatch_size=1024,
            num_epochs=4,
            lr=2e-3,
            gamma=0.0,  # one question is one episode
            lambda_=1.0,
            entropy_coeff=0.05,
            clip_param=0.3,
            use_kl_loss=False,
            vf_loss_coeff=0.5,
        )
        .debugging(seed=0)
    )
    with connect():
        algorithm = config.build_algo()
        for _ in range(n):
            result = algorithm.train()
            if "held_out" in result:
                steps = int(result["num_env_steps_sampled_lifetime"])
                accuracy = result["held_out"]["eval/accuracy"]
                minutes = result["time_total_s"] / 60
                print(f"{steps} questions, {minutes:.1f} min, accuracy {accuracy:.1%}", flush=True)
        algorithm.stop()


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:]]
    main(numbers[0] if numbers else 200_000, numbers[1] if len(numbers) > 1 else 0)

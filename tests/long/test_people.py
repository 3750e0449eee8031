"""People on the pages of ``ia-gym human``: many at once, killed servers, and what is learned."""

import statistics
import threading
import time

import httpx2
import pytest
from served import serve
from server_kills import kill_again_and_again

from ia_gym.agents.evaluation.question_evaluator import QuestionEvaluator
from ia_gym.agents.learners.human_predictor_trainer import train_on_recorded
from ia_gym.experiments.human.interactions import read_interactions
from ia_gym.experiments.human.learning import measure_with_oracle
from ia_gym.experiments.human.simulated_people import HttpPerson, ScriptedPerson
from ia_gym.experiments.human.simulation import simulate


def test_100_kills_lose_no_acknowledged_step(tmp_path):
    acknowledged = kill_again_and_again(tmp_path, "IA-ShortestPath-v0", kills=100)
    print(f"100 kills, {acknowledged} acknowledged steps, all of them recorded")


def test_20_people_at_5_steps_a_second(tmp_path):
    people, rate, seconds = 20, 5, 60
    latencies, late = [], []

    def work(address, number, start):
        with httpx2.Client(base_url=address, timeout=60) as client:
            evaluator = QuestionEvaluator("IA-Permutation-v0", 16)
            person = HttpPerson(client, f"person {number}", ScriptedPerson(evaluator.domain))
            shown, due = person.look(), start + number / people / rate
            while due < start + seconds:
                steps = person.take_steps(shown)
                while due < start + seconds:
                    time.sleep(max(due - time.perf_counter(), 0))
                    began = time.perf_counter()
                    late.append(began - due)
                    try:
                        shown = next(steps)
                    except StopIteration:
                        break
                    latencies.append(time.perf_counter() - began)
                    due += 1 / rate

    with serve("IA-Permutation-v0", tmp_path / "records.sqlite") as address:
        start = time.perf_counter() + 5
        threads = [threading.Thread(target=work, args=(address, i, start)) for i in range(people)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    cuts = statistics.quantiles(latencies, n=100)
    print(
        f"{people} people, {len(latencies)} steps in {seconds} s: median {1000 * cuts[49]:.0f} ms, "
        f"95th percentile {1000 * cuts[94]:.0f} ms; {max(late):.1f} s late at most"
    )
    assert len(latencies) > 0.9 * people * rate * seconds


@pytest.mark.parametrize("name", ["Permutation", "Assignment", "ShortestPath", "UnionFind"])
def test_300_interactions_by_http_teach_as_much_as_the_script(name, tmp_path):
    env_id, by_http, direct = f"IA-{name}-v0", tmp_path / "http.sqlite", tmp_path / "script.sqlite"
    evaluator = QuestionEvaluator(env_id, 2048)
    with serve(env_id, by_http) as address, httpx2.Client(base_url=address, timeout=60) as client:
        person = HttpPerson(client, "script", ScriptedPerson(evaluator.domain))
        for _ in range(300):
            person.answer_question()
    simulate(direct, env_id, {"script": 300})
    scores = [
        measure_with_oracle(
            train_on_recorded(evaluator.domain, read_interactions(path, evaluator.domain)),
            evaluator,
        )
        for path in (by_http, direct)
    ]
    print(f"{name}: {scores[0]:.1%} from HTTP, {scores[1]:.1%} from the script")
    assert min(scores) >= 0.95

# make demo   sets everything up and runs the main job, at most 10 minutes on 2 cores
# make test   sets everything up and runs linters and tests
# make test-long  runs what takes longer: kills, fuzzing, a soak (docs/reliability.md)
# make test-wheel  installs the wheel into an empty environment, and uses it from another folder
# make test-oldest  tests with the oldest supported versions of gymnasium and SB3
# make results-check  tells whether the tables in README and docs are those of the results files
# make coverage   tests, and which lines they run
# make mutants    changes the domains' rules in hundreds of ways: would the tests notice?
# make test-zoo  trains by way of rl-zoo3, in a virtual environment of its own
# make test-clients  Tianshou, skrl, TorchRL and Minari, in a virtual environment of their own
# make test-ray  Ray and RLlib, with the older gymnasium that they need, in an environment of their own
# make test-trl  language models with TRL, and reasoning-gym, in a virtual environment of their own
# make bench  measures the suite's speed on this machine
# make networks  packs the trained networks under results/ into build/networks.tar.gz, for a release
# make docs   writes the domains' pages from their docstrings, and the site into build/site
# make clean  removes what the others made

PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready

.PHONY: demo test test-long test-oldest test-wheel test-zoo test-clients test-ray test-trl results-check coverage mutants bench networks docs clean

demo: $(READY)
	$(VENV)/bin/python examples/compare.py

test: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/pytest -n 2 --dist loadfile  # what a file's tests share is made once

test-long: $(READY)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[browser]"
	$(VENV)/bin/pytest -n 2 -m slow
	$(VENV)/bin/pytest -o addopts= -n 2 -v -rP tests/long
	IA_GYM_CLICKED=20 $(VENV)/bin/pytest -v tests/human/test_browser_pages.py
	IA_GYM_EXAMPLES=1500 $(VENV)/bin/pytest -n 2 -v tests/project/test_fuzz.py

# The oldest versions of gymnasium and Stable-Baselines3 that are supported.
test-oldest:
	$(PYTHON) -m venv $(VENV)-oldest
	grep -v -i -e ^gymnasium== -e ^stable_baselines3== -e ^sb3_contrib== constraints.txt \
		> $(VENV)-oldest/constraints.txt
	$(VENV)-oldest/bin/pip install --quiet --disable-pip-version-check \
		-c $(VENV)-oldest/constraints.txt -e ".[dev,contrib,atari]" \
		gymnasium==1.4.0 stable-baselines3==2.9.0 sb3-contrib==2.9.0
	$(VENV)-oldest/bin/pytest -n 2

# The wheel in an environment of its own, used from another folder.
test-wheel: $(READY)
	rm -rf build/wheel && mkdir -p build/wheel/elsewhere
	$(VENV)/bin/pip wheel --quiet --disable-pip-version-check --no-deps -w build/wheel .
	$(PYTHON) -m venv build/wheel/venv
	build/wheel/venv/bin/pip install --quiet --disable-pip-version-check -c constraints.txt \
		"ia-gym[experiments] @ file://$$(ls $(CURDIR)/build/wheel/*.whl)"
	cd build/wheel/elsewhere && ../venv/bin/python $(CURDIR)/tests/long/use_wheel.py

results-check: $(READY)
	$(VENV)/bin/pytest tests/project/test_docs.py -k "tables or rows or published or results_folder"

coverage: $(READY)
	$(VENV)/bin/pytest -n 2 --cov=ia_gym --cov=envs --cov=agents --cov=experiments --cov-report=term

mutants: $(READY)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[mutants]"
	PATH=$(CURDIR)/$(VENV)/bin:$$PATH $(VENV)/bin/python tests/long/mutants.py

# rl-zoo3 brings many packages of its own, of which only torch is pinned.
test-zoo:
	$(PYTHON) -m venv $(VENV)-zoo
	grep ^torch== constraints.txt > $(VENV)-zoo/constraints.txt
	$(VENV)-zoo/bin/pip install --quiet --disable-pip-version-check \
		-c $(VENV)-zoo/constraints.txt -e ".[zoo]" pytest
	$(VENV)-zoo/bin/pytest tests/experiments/test_zoo.py

# Other libraries: Tianshou takes an older pandas than the rest of the suite is tested with.
test-clients:
	$(PYTHON) -m venv $(VENV)-clients
	$(VENV)-clients/bin/pip install --quiet --disable-pip-version-check \
		-c constraints-clients.txt -e ".[clients]" pytest
	$(VENV)-clients/bin/pytest -o addopts= -v tests/clients

# RLlib needs gymnasium 1.2.2: docs/scaling.md.
test-ray:
	$(PYTHON) -m venv $(VENV)-ray
	$(VENV)-ray/bin/pip install --quiet --disable-pip-version-check \
		-c constraints-ray.txt -e ".[ray]" psutil pytest
	$(VENV)-ray/bin/pytest -o addopts= -v tests/ray

# Language models: transformers and TRL bring many packages of their own; reasoning-gym too.
test-trl:
	$(PYTHON) -m venv $(VENV)-trl
	$(VENV)-trl/bin/pip install --quiet --disable-pip-version-check \
		-c constraints-trl.txt -e ".[trl,reasoning-gym]" pytest
	$(VENV)-trl/bin/pytest -o addopts= -v tests/language

bench: $(READY)
	$(VENV)/bin/ia-gym bench

networks:
	mkdir -p build
	find results -name '*.safetensors' | sort | tar -czf build/networks.tar.gz -T -

docs: $(READY)
	$(VENV)/bin/python docs/domain_pages.py
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[docs]"
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict --quiet

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev,contrib,atari]"
	touch $(READY)

clean:
	rm -rf $(VENV) $(VENV)-zoo $(VENV)-clients $(VENV)-ray $(VENV)-trl $(VENV)-oldest runs build mutants *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

"""Training several runs side by side, for ``ia-gym compare`` and ``ia-gym tune``.

- ``executor.py``: the protocol of executors, and the loop that feeds them runs.
- ``make_executor.py``: the executor that an engine's name stands for.
- ``local_processes.py``: an executor with a process a run on this machine.
- ``ray_tasks.py``: an executor with a task a run on a Ray cluster.
"""

"""Tables and figures of finished runs.

- ``report.py``: ``ia-gym report``: all files of a report.
- ``finished_runs.py``: finished runs read from their folders, and statistics over seeds.
- ``tables.py``: the tables; ``formatting.py``: numbers in them.
- ``collapse_signs.py``: over-approval of monitored runs, and ROC curves of its signs.
- ``curves.py``: which curves are shown, and seeds brought onto one x-axis.
- ``figures.py``: the figures as PNG; ``interactive_figures.py``: the curves of the HTML page;
  ``agent_styles.py``: one colour and dash an agent.
- ``report_page.py`` and ``report_page.html``, ``.css``, ``.js``: the HTML page.
- ``failure_figure.py``: accuracy over the probability of failure, for ``ia-gym failures``.
- ``terminal_tables.py`` and ``learning_curves.py``: what ``ia-gym compare`` prints and draws.
"""

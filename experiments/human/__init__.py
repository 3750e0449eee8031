"""People as overseers, in a browser: they decompose questions and judge answers.

It takes ``pip install "ia-gym[human]"``.

- ``records.py``: the schema of the records, in SQLite.
- ``questions.py``: the questions that people are asked; ``decomposing.py``: a person decomposes
  one; ``judging.py``: a person judges an answer; ``errors.py``: what they are refused.
- ``server.py``: the pages; ``security.py``: who may use them; ``picture.py``: pictures of contexts;
  ``pages``: templates, style and script.
- ``export.py``: records as JSON lines or a table; ``agreement.py``: how far people agree with each
  other, the script and the truth; ``interactions.py``: records to train on.
- ``learning.py``: what a human predictor learns from them.
- ``simulated_people.py``: programs that act as people; ``simulation.py``: their records.
- ``serving.py``: the command ``ia-gym human``.
"""

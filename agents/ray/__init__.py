"""Ray: what trains on several processes or machines. Needs ``pip install "ia-gym[ray]"``.

- ``session.py``: connecting to a Ray cluster, or starting one on this machine.
"""

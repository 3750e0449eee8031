"""Connecting to a Ray cluster, or starting one on this machine."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import ia_gym

ONE_MACHINE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}
"""Environment variables of Ray's, of a cluster on this machine alone: listen on loopback only, as
it does on Windows and macOS by default; and send no usage statistics."""
CONNECT_SECONDS = 10.0
"""Longest time to wait for a cluster's address to accept a connection."""
PROBE_SECONDS = 120.0
"""Longest time to wait for all nodes of a cluster to say whether they can be used."""


def check_ray_is_installed() -> None:
    """Check that Ray is there.

    Raises:
        ValueError: naming the extra that installs it.
    """
    found = find_spec("ray")
    if found is None or found.origin is None:  # without a file it is a mere folder, as in /tmp
        raise ValueError('Ray is not installed: pip install "ia-gym[ray]"')


@contextmanager
def connect(address: str | None = None, num_cpus: int | None = None) -> Iterator[None]:
    """Use a Ray cluster; one that was started here is stopped afterwards.

    A connection that this process has already is used, and left open. A new cluster is reachable
    from this machine alone, has no dashboard, and sends no usage statistics.

    Args:
        address: "auto" for the cluster that this machine belongs to, or "HOST:PORT" of its head;
            None for a new one on this machine.
        num_cpus: cores of a new cluster; default all.

    Raises:
        ValueError: if Ray is not installed, or no cluster answers at ``address``.
    """
    check_ray_is_installed()
    import ray

    if ray.is_initialized():
        yield
        return
    arguments: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address is None:
        arguments |= {"address": "local", "num_cpus": num_cpus, "include_dashboard": False}
    else:
        check_address(address)
        arguments["address"] = address
    try:
        with keep_sigterm(), stay_on_loopback() if address is None else nullcontext():
            ray.init(**arguments)
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"address must be that of a Ray cluster, got {address}: {reason}"
        ) from None
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def keep_sigterm() -> Iterator[None]:
    """Restore the handler of SIGTERM afterwards: Ray puts one of its own in its place."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    earlier = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if earlier is None else earlier)


@contextmanager
def stay_on_loopback() -> Iterator[None]:
    """Let a Ray that is started meanwhile listen on loopback alone.

    Without, it listens on all interfaces on Linux, whatever its arguments say.
    """
    from ray._private import ray_constants

    before = {name: os.environ.get(name) for name in ONE_MACHINE}
    enabled = ray_constants.ENABLE_RAY_CLUSTER  # of the environment, read at the first import
    os.environ.update(ONE_MACHINE)
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = enabled
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def check_address(address: str) -> None:
    """Refuse an address at which nobody answers: Ray itself would wait for long.

    Raises:
        ValueError: naming the address.
    """
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    wanted = 'address must be "auto" or HOST:PORT of a Ray cluster'
    if not host or "/" in host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"{wanted}, got {address!r}")
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except OSError as error:
        raise ValueError(f"{wanted}, nobody answers at {address}: {error}") from None


def check_nodes(folder: Path | None = None) -> None:
    """Ask every node with cores whether it has this version of ia_gym, and sees a folder.

    Args:
        folder: one that all nodes must share; None for none.

    Raises:
        ValueError: naming a node that cannot be used.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = ray.get_runtime_context().get_node_id()
    path = None if folder is None else str(folder.resolve())
    # A function within a function is sent as it is: it needs no ia_gym to arrive.
    remote = ray.remote(num_cpus=0, max_retries=3)(make_probe())
    answers = {}
    for node in ray.nodes():
        if node["Alive"] and node["Resources"].get("CPU") and node["NodeID"] != here:
            strategy = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            name = f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})"
            answers[name] = remote.options(scheduling_strategy=strategy).remote(path)
    for name, answer in answers.items():
        try:
            version, sees_folder = ray.get(answer, timeout=PROBE_SECONDS)
        except ray.exceptions.RayError as error:
            reason = str(error).strip().splitlines()[-1]
            raise ValueError(f"address must be of nodes that answer, {name}: {reason}") from None
        check_node(name, version, path if not sees_folder else None)


def make_probe() -> Callable[[str | None], tuple[str | None, bool]]:
    """A function that tells a node's version of ia_gym, and whether it sees a path."""

    def probe(path: str | None) -> tuple[str | None, bool]:
        import os

        try:
            from ia_gym import __version__ as version
        except ImportError:
            return None, True
        return version, path is None or os.path.exists(path)

    return probe


def check_node(name: str, version: str | None, unseen: str | None) -> None:
    """Refuse a node without this version of ia_gym, or that does not see a folder.

    Raises:
        ValueError: naming the node.
    """
    if version != ia_gym.__version__:
        raise ValueError(
            f"every node of the Ray cluster needs ia_gym {ia_gym.__version__}, "
            f"{name} has {version or 'none'}"
        )
    if unseen is not None:
        raise ValueError(
            f"log_dir must be on a file system that all nodes of the Ray cluster share, "
            f"{name} does not see {unseen}"
        )

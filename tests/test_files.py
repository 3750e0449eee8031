"""Files: complete or as before, with the user's permissions, and JSON that every parser reads."""

import errno
import json
import os
import stat

import numpy as np
import pytest
import torch
from safetensors import safe_open

from ia_gym.files import write_atomically, write_json, write_text
from ia_gym.networks.tensor_files import read_tensors, write_tensors

WRITERS = {
    "text": lambda path: write_text(path, "text"),
    "json": lambda path: write_json(path, {}),
    "tensors": lambda path: write_tensors(path, {"a": torch.ones(2)}, {}),
    "private": lambda path: write_atomically(path, lambda temporary: write_private(temporary)),
}


def write_private(path):
    """A writer that makes a file nobody else may read, in the place of what was there."""
    path.unlink()
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))


@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077])
@pytest.mark.parametrize("writer", WRITERS)
def test_files_have_the_permissions_that_the_umask_gives(writer, umask, tmp_path):
    before = os.umask(umask)
    try:
        for _ in range(2):  # the second one in the place of the first
            WRITERS[writer](tmp_path / "file")
            assert (tmp_path / "file").stat().st_mode & 0o777 == 0o666 & ~umask
    finally:
        os.umask(before)


def test_links_are_followed_and_stay(tmp_path):
    (tmp_path / "there").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "there" / "file")
    for text in ("one", "two"):
        write_text(link, text)
        assert link.is_symlink()
        assert (tmp_path / "there" / "file").read_text() == text
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["file"]


def test_what_is_no_regular_file_is_written_to_and_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_text(pipe, "text")
    assert os.read(reader, 100) == b"text"
    os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_an_error_names_the_file(tmp_path):
    def fail(path):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match=r"No space left on device: .*file"):
        write_atomically(tmp_path / "file", fail)
    assert not list(tmp_path.iterdir())


def refuse(constant):
    raise AssertionError(f"{constant} is not JSON")


def test_json_holds_null_for_what_is_not_finite(tmp_path):
    content = {
        "nan": float("nan"),
        "nested": [{"inf": -float("inf")}, (np.float64("nan"), np.float32("inf"))],
        "array": np.array([1.0, np.nan]),
        "numbers": [np.float32(0.5), np.int64(3), np.bool_(True), 1.5, None, "NaN"],
        "path": tmp_path,
    }
    write_json(tmp_path / "content.json", content)
    read = json.loads((tmp_path / "content.json").read_text("utf-8"), parse_constant=refuse)
    assert read == {
        "nan": None,
        "nested": [{"inf": None}, [None, None]],
        "array": [1.0, None],
        "numbers": [0.5, 3, True, 1.5, None, "NaN"],
        "path": str(tmp_path),
    }


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_settings_beside_tensors_are_finite(value, tmp_path):
    path = tmp_path / "model.safetensors"
    write_tensors(path, {}, {"a": 1.0})
    with pytest.raises(ValueError, match=r"settings must hold finite numbers .* got \{'a': "):
        write_tensors(path, {}, {"a": value})
    assert read_tensors(path) == ({"a": 1.0}, {})


def test_tensors_and_settings_come_back_and_damage_is_noticed(tmp_path):
    path = tmp_path / "model.safetensors"
    tensors = {"b": torch.arange(6).view(2, 3), "a": torch.randn(3)}
    write_tensors(path, tensors, {"size": 3})
    settings, read = read_tensors(path)
    assert settings == {"size": 3}
    assert read.keys() == tensors.keys()
    assert all(torch.equal(read[key], tensors[key]) for key in tensors)
    with safe_open(path, "pt") as file:  # other tools can read it too
        assert file.get_tensor("b").tolist() == [[0, 1, 2], [3, 4, 5]]
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is damaged"):
        read_tensors(path)

"""The compile cache: each of numba's four traps is provoked, and our decorator does not fall in.

Every case runs in fresh processes with its cache in a temporary folder.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from go_env import jit
from go_env.errors import HonteError

ROOT = Path(__file__).parents[2]
PLAIN = "import numba\nkernel = numba.njit(cache=True)\n"
OURS = "from go_env.jit import kernel\n"
DECORATORS = {"plain numba": PLAIN, "ours": OURS}


def launch(script: Path, cache: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    settings = {"NUMBA_CACHE_DIR": str(cache), "HONTE_CACHE_DIR": str(cache), **environment}
    root = os.pathsep.join([str(script.parent), str(ROOT)])
    return subprocess.Popen(
        [sys.executable, str(script), *arguments],
        env={**os.environ, "PYTHONPATH": root, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def answer(process: subprocess.Popen[str]) -> str:
    out, error = process.communicate(timeout=240)
    assert process.returncode == 0, error
    return out.strip()


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text))
    return path


RACE = """
import sys, time
from pathlib import Path
import numpy as np
from numba.core.caching import IndexDataCacheFile
from kernels import double

slow_save = IndexDataCacheFile._save_index
def save_late(self, overloads):  # widen the gap between reading the index and writing it
    time.sleep(1.0)
    slow_save(self, overloads)
IndexDataCacheFile._save_index = save_late

folder, me, dtype = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
(folder / f"ready-{me}").touch()
while len(list(folder.glob("ready-*"))) < 2:
    time.sleep(0.01)
double(np.ones(3, dtype))
"""
CHECK = """
import numpy as np
from kernels import double

values = {dtype: double(np.full(3, 1.5).astype(dtype)) for dtype in ("float64", "int64")}
assert values == {"float64": 9.0, "int64": 6}, values
print(sum(double.stats.cache_hits.values()))
"""


@pytest.mark.parametrize("decorator", DECORATORS)
def test_two_processes_compile_two_signatures_at_once(decorator: str, tmp_path: Path) -> None:
    body = "\n@kernel\ndef double(x):\n    return 2 * x.sum()\n"
    write(tmp_path / "kernels.py", DECORATORS[decorator] + body)
    race = write(tmp_path / "race.py", RACE)
    dtypes = ("float64", "int64")
    running = [launch(race, tmp_path / "c", str(tmp_path), d, d) for d in dtypes]
    for process in running:
        answer(process)
    hits = int(answer(launch(write(tmp_path / "check.py", CHECK), tmp_path / "c")))
    assert hits == (2 if decorator == "ours" else 1)  # numba loses one of the two


@pytest.mark.parametrize("decorator", DECORATORS)
def test_a_callee_in_another_file_is_edited(decorator: str, tmp_path: Path) -> None:
    # A small tree of sources of its own, so that an edit touches nobody else's kernels.
    for source in ("go_env/__init__.py", *jit._CONSTANTS, "go_env/errors.py"):
        (tmp_path / source).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / source, tmp_path / source)
    head = DECORATORS[decorator]
    write(tmp_path / "go_env/helper.py", head + "@kernel\ndef helper(x):\n    return x + 1\n")
    write(
        tmp_path / "go_env/caller.py",
        head
        + "from go_env.helper import helper\n@kernel\ndef top(x):\n    return 10 * helper(x)\n",
    )
    script = write(tmp_path / "main.py", "from go_env.caller import top\nprint(top(1))\n")
    assert answer(launch(script, tmp_path / "cache")) == "20"
    write(tmp_path / "go_env/helper.py", head + "@kernel\ndef helper(x):\n    return x + 100\n")
    stale = "20"
    fresh = "1010"
    expected = fresh if decorator == "ours" else stale
    assert answer(launch(script, tmp_path / "cache")) == expected


OUT_OF_RANGE = """
import numpy as np
from kernels import read

try:
    read(np.zeros(3), 3)
    print("read on")
except IndexError:
    print("stopped")
"""


@pytest.mark.parametrize("decorator", DECORATORS)
def test_bounds_checking_is_switched_on_after_a_run_without(decorator: str, tmp_path: Path) -> None:
    body = "\n@kernel\ndef read(x, i):\n    return x[i]\n"
    write(tmp_path / "kernels.py", DECORATORS[decorator] + body)
    script = write(tmp_path / "main.py", OUT_OF_RANGE)
    cache = tmp_path / "cache"
    assert answer(launch(script, cache, NUMBA_BOUNDSCHECK="0")) == "read on"
    checked = answer(launch(script, cache, NUMBA_BOUNDSCHECK="1"))
    assert checked == ("stopped" if decorator == "ours" else "read on")
    assert answer(launch(script, cache, NUMBA_BOUNDSCHECK="0")) == "read on"


LEGALITY = """
import sys
import numpy as np
from go_env.board import LEGAL, classify_action
from go_env.position import Position
from go_env.rules import Rules

wrong = 0
for size in map(int, sys.argv[1:]):
    position = Position.initial(Rules(size=size))
    for action in range(0, 3 * size, 3):
        mask = position.legal()
        for other in range(size * size):
            code = classify_action(
                position.record, 0, position.history, 0, other, position.to_play
            )
            wrong += (code == LEGAL) != mask[other]
        position = position.play(action)
print(wrong)
"""


def test_two_record_types_cached_by_two_processes_meet_in_a_third(tmp_path: Path) -> None:
    """Each process meets its own record type first, so numba alone would name both the same.

    Without `jit._mangling_of_record` the third process counts thousands of wrong answers or dies.
    """
    script = write(tmp_path / "legality.py", LEGALITY)
    cache = tmp_path / "cache"
    for sizes in (("13",), ("19",), ("13", "19"), ("19", "13")):
        assert answer(launch(script, cache, *sizes)) == "0", sizes


def test_warm_processes_compile_nothing(tmp_path: Path) -> None:
    write(tmp_path / "kernels.py", OURS + "\n@kernel\ndef double(x):\n    return 2 * x.sum()\n")
    script = write(tmp_path / "check.py", CHECK)
    assert answer(launch(script, tmp_path / "cache")) == "0"
    assert answer(launch(script, tmp_path / "cache")) == "2"


def test_an_unwritable_cache_is_no_obstacle(tmp_path: Path) -> None:
    write(tmp_path / "kernels.py", OURS + "\n@kernel\ndef double(x):\n    return 2 * x.sum()\n")
    script = write(tmp_path / "check.py", CHECK)
    blocked = write(tmp_path / "blocked", "a file, not a folder")
    assert answer(launch(script, blocked, TMPDIR=str(tmp_path))) == "0"


FULL_DISK = """
import resource
import numpy as np
from kernels import double

resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
print(double(np.ones(3)))
"""


def test_a_full_disk_is_no_obstacle(tmp_path: Path) -> None:
    write(tmp_path / "kernels.py", OURS + "\n@kernel\ndef double(x):\n    return 2 * x.sum()\n")
    script = write(tmp_path / "main.py", FULL_DISK)
    assert answer(launch(script, tmp_path / "cache")) == "6.0"


def test_a_folder_that_others_may_write_to_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "honte"
    assert jit.private_folder(folder).stat().st_mode & 0o777 == 0o700
    (tmp_path / "link").symlink_to(folder)
    write(tmp_path / "file", "")
    for name in ("link", "file"):
        with pytest.raises(HonteError, match="must be yours alone"):
            jit.private_folder(tmp_path / name)
    folder.chmod(0o770)
    with pytest.raises(HonteError, match="must be yours alone"):
        jit.private_folder(folder)
    folder.chmod(0o700)
    monkeypatch.setattr(os, "getuid", lambda: folder.stat().st_uid + 1)
    with pytest.raises(HonteError, match="must be yours alone"):
        jit.private_folder(folder)


def test_folders_that_nobody_uses_are_removed(tmp_path: Path) -> None:
    old, used, new, other = (
        tmp_path / name for name in (*(f"kernels-{c * 16}" for c in "abc"), "kernels-of-mine")
    )
    for folder in (old, used, other):
        folder.mkdir()
        os.utime(folder, (0, 0))
    jit.use_folder(used)  # not new: nothing is looked for, but it counts as used
    assert old.is_dir()
    jit.use_folder(new)
    assert not old.exists()
    assert used.is_dir() and new.is_dir() and other.is_dir()


def imported_modules(path: Path) -> set[str]:
    """Return our own modules that a file imports at its top."""
    tree = ast.parse(path.read_text())
    nodes = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module]
    return {
        str(node.module)
        for node in nodes
        if node.module and node.module.split(".")[0] in jit._FLOORS
    }


def test_every_value_that_a_kernel_can_freeze_names_the_cache() -> None:
    # A constant imported from another file is compiled into the kernel: that file must be hashed.
    sources = jit.kernel_sources()
    harmless = {  # no names of theirs are used inside kernels
        "go_env.errors", "go_env.batch", "go_env.symmetry", "mcts.config", "mcts.evaluator",
        "training.files", "training.settings",
    }  # fmt: skip
    kernels = {path for path in sources if b"@kernel" in path.read_bytes()} - {
        ROOT / "go_env/jit.py"
    }
    assert len(kernels) >= 8
    for path in kernels:
        for module in imported_modules(path) - harmless:
            file = ROOT / (module.replace(".", "/") + ".py")
            assert file in sources or not file.is_file(), f"{path.name} imports {module}"


def test_the_name_follows_sources_and_options(tmp_path: Path) -> None:
    one, other = write(tmp_path / "a.py", "x = 1"), write(tmp_path / "b.py", "x = 2")
    names = [
        jit.cache_name([one], "o"), jit.cache_name([other], "o"), jit.cache_name([one], "p"),
        jit.cache_name([one, other], "o"),
    ]  # fmt: skip
    assert len(set(names)) == 4
    assert jit.cache_name([one], "o") == names[0]

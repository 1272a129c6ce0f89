"""The floors and the sizes of the house: what may import what, and how long things may be."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("go_env", "mcts", "agents", "training")
MAX_FUNCTION_LINES = 60
MAX_FILE_LINES = 400
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
HEAVY = {"torch", "ray", "gymnasium", "pettingzoo", "matplotlib", "tensorboard", "openvino"}


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = [module_name(path) for path in SOURCES if path.stem != "__main__"]


def loaded_by(*modules: str) -> set[str]:
    """Top-level packages in memory after these imports in a fresh interpreter."""
    imports = "; ".join(f"import {module}" for module in modules)
    code = f"{imports}; import sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert run.returncode == 0, run.stderr
    return set(run.stdout.split())


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines below the signature: the flags of a command are no code to follow."""
    return (function.end_lineno or 0) - function.body[0].lineno + 1


def below(*packages: str, but: tuple[str, ...] = ()) -> list[str]:
    return [name for name in MODULES if name.partition(".")[0] in packages and name not in but]


def test_import_contracts() -> None:
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert run.returncode == 0, run.stdout


def test_packages_are_ours() -> None:
    # `agents` and `mcts` are taken on PyPI: an installed stranger must not win.
    code = f"import {', '.join(PACKAGES)}; print(*(p.__file__ for p in ({', '.join(PACKAGES)})))"
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/")
    for package, file in zip(PACKAGES, run.stdout.split(), strict=True):
        assert Path(file) == ROOT / package / "__init__.py"


def test_rules_and_search_load_nothing_heavy() -> None:
    environments = ("go_env.gym_env", "go_env.aec_env", "go_env.vector_env")
    assert not loaded_by(*below("go_env", "mcts", but=environments)) & HEAVY


def test_environments_load_no_torch() -> None:
    assert not loaded_by(*below("go_env")) & {"torch", "ray"}


def test_ray_is_loaded_by_its_runners_only() -> None:
    runners = (
        "training.ray_cluster",
        "training.ray_runner",
        "training.baselines.ray_runner",
        "training.matches.ray_runner",
        "training.demo",
    )
    assert "ray" not in loaded_by(*below(*PACKAGES, but=runners))


def test_ratings_load_no_torch_and_no_numba() -> None:
    assert not loaded_by("training.rating.elo", "training.rating.sprt") & {"torch", "numba", "ray"}


def test_command_line_loads_nothing_that_is_slow() -> None:
    slow = HEAVY | {"numpy", "numba", "scipy", "rich"}
    assert not loaded_by("training.cli") & slow


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_files_and_functions_are_short(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert source.count("\n") <= MAX_FILE_LINES
    too_long = [
        f"{node.name}: {body_lines(node)} lines"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and body_lines(node) > MAX_FUNCTION_LINES
    ]
    assert not too_long


def test_no_room_for_odds_and_ends() -> None:
    assert not {path.stem for path in SOURCES} & {"utils", "util", "helpers", "misc", "common"}


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_says_how_to_read_it(package: str) -> None:
    text = (ROOT / package / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 80
    for path in (ROOT / package).glob("*.py"):
        if path.stem != "__init__":
            assert path.stem in text, f"{package}/README.md does not mention {path.name}"


@pytest.mark.parametrize("room", [p.parent.name for p in (ROOT / "training").glob("*/__init__.py")])
def test_the_rooms_of_training_are_described_in_its_table(room: str) -> None:
    lines = (ROOT / "training" / "README.md").read_text(encoding="utf-8").splitlines()
    (row,) = (line for line in lines if line.startswith(f"| `{room}/` |"))
    for path in (ROOT / "training" / room).glob("*.py"):
        assert path.stem == "__init__" or f"`{path.stem}`" in row, f"{path.name} is not described"

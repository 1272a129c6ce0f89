"""`honte bench`: speeds of every part on this machine, beside what the machine could do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict

from rich import box
from rich.console import Console
from rich.table import Table

from go_env.errors import HonteError
from training.bench.timing import Figure, Section

PARTS = ("rules", "search", "inference", "selfplay", "learner")

_PAPER_WIDTH = 150  # of tables that are not written to a terminal


def run_bench(part: str, size: int, network: str, seconds: float, as_json: bool) -> None:
    """Measure one part or `all`, each figure for about `seconds`, and print it.

    Raises:
        HonteError: if there is no such part.
    """
    if part not in (*PARTS, "all"):
        raise HonteError(f"unknown part {part!r}: use one of {', '.join(PARTS)}, all")
    parts = PARTS if part == "all" else (part,)
    console, sections = Console(), []
    if not console.is_terminal:
        console.width = _PAPER_WIDTH
    for section in _measure(parts, size, network, seconds):
        sections.append(section)
        if not as_json:
            console.print(_table(section))
    if as_json:
        print(json.dumps([asdict(section) for section in sections], indent=2))


def _measure(
    parts: tuple[str, ...], size: int, network_text: str, seconds: float
) -> Iterator[Section]:
    import torch

    from training.bench import inference, kernels, loop

    network = inference.parse_network(network_text)
    ceilings = inference.measure_ceilings(seconds)
    copy_gb_per_s = loop.copy_gb_per_s(seconds)
    fastest = max(rate for name, rate in ceilings.items() if name != "int8")
    machine = [
        Figure(f"matrix product {name}, one thread", _unit(name), amount=rate)
        for name, rate in ceilings.items()
    ]
    machine.append(Figure("memory copy, one thread", "GB/cpu-s", amount=copy_gb_per_s))
    if torch.cuda.is_available():
        fastest = loop.cuda_matmul_gflop_per_s(seconds)
        name = f"matrix product bf16, {torch.cuda.get_device_name()}"
        machine.append(Figure(name, "GFLOP/s", amount=fastest))
    yield Section("this machine", machine)
    board = f"{size}x{size}"
    if "rules" in parts:
        figures = kernels.measure_rules(size, seconds, copy_gb_per_s)
        yield Section(f"rules, {board}", list(figures))
    if "search" in parts:
        figures = kernels.measure_search(size, seconds)
        yield Section(f"search with a constant evaluator, {board}", list(figures))
    if "inference" in parts:
        figures = _inference(network_text, size, seconds, ceilings)
        yield Section(f"inference, {board}", list(figures))
    if "selfplay" in parts:
        figures = loop.measure_self_play(network, size, seconds)
        yield Section(f"self-play, {board}, {network_text}", list(figures))
        yield Section("memory", list(loop.measure_memory(network)))
    if "learner" in parts:
        figures = loop.measure_learner(network, size, seconds, fastest)
        yield Section(f"learner, {board}, {network_text}", list(figures))


def _unit(precision: str) -> str:
    return f"{'GOP' if precision == 'int8' else 'GFLOP'}/cpu-s"


def _inference(
    network: str, size: int, seconds: float, ceilings: dict[str, float]
) -> Iterator[Figure]:
    from training.bench.inference import measure_inference
    from training.bench.timing import Rate

    for row in measure_inference([network], (1, 64, 256), size, seconds, ceilings):
        speed = row.positions_per_cpu_s
        ready = f"ready in {row.first_run_s:.2f} s"
        yield Figure(
            f"{row.network} {row.backend}, batch {row.batch}", "positions/s",
            Rate(speed, speed, speed, row.positions_per_s),
            share=row.ceiling_share,
            note=f"of the matrix product; {ready}" if row.ceiling_share is not None else ready,
        )  # fmt: skip


def _table(section: Section) -> Table:
    table = Table(title=section.title, title_justify="left", title_style="bold", box=box.SIMPLE)
    table.add_column("measure", overflow="fold")
    for name in ("per core second", "min .. max", "per second"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("unit")
    table.add_column("beside the limit", overflow="fold")
    for figure in section.figures:
        numbers = ["", "", ""]
        if figure.rate is not None:
            rate = figure.rate
            spread = f"{_short(rate.low)} .. {_short(rate.high)}"
            numbers = [_short(rate.per_cpu_s), spread, _short(rate.per_s)]
        elif figure.amount is not None:
            numbers[0] = _short(figure.amount)
        share = "" if figure.share is None else f"{figure.share:.0%} "
        table.add_row(figure.name, *numbers, figure.unit, share + figure.note)
    return table


def _short(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:,.3g}"

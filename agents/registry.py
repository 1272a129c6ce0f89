"""Players by text: the same SPEC everywhere, on the command line, over GTP and in matches.

random                              rollout?sims=1000
honte                               honte:RUN_OR_FILE?sims=200&search=puct
policy:FILE_OR_RUN?temperature=0.5  gtp:COMMAND
q:FILE                              pg:FILE
gnugo?level=10                      pachi?playouts=1600
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote

import numpy as np

from agents.base import Agent
from agents.champion import find_checkpoint, pinned
from agents.gtp_agent import GtpAgent
from agents.gtp_process import engine_words
from agents.inference_config import InferenceConfig
from agents.mcts_agent import MctsAgent
from agents.random_agent import RandomAgent
from go_env.errors import HonteError
from mcts.cache import CachedEvaluator
from mcts.config import SearchConfig
from mcts.evaluator import Evaluator
from mcts.rollout import RolloutEvaluator

DEFAULT_SIMULATIONS = 200
_MOST = 10_000_000  # of anything that a SPEC counts
#: Engines by name: the command line, and the numbers in it. Both are told to leave no dead stones
#: on the board, as it is counted as it stands.
_ENGINES = {
    "gnugo": (
        "gnugo --mode gtp --level {level} --chinese-rules --capture-all-dead --positional-superko",
        {"level": 10},
    ),
    "pachi": ("pachi -d 0 -t ={playouts} threads=1,pass_all_alive", {"playouts": 1600}),
}

Maker = Callable[[int, int], Agent]  # (size, seed) to the player


@dataclass(frozen=True)
class Spec:
    """A player as text, taken apart: kind:target?key=value&key=value."""

    text: str
    kind: str
    target: str = ""
    options: dict[str, str] = field(default_factory=dict)


def parse_spec(text: str) -> Spec:
    """Take a SPEC apart; the text after `gtp:` is a command and stays whole.

    Options follow the last question mark: a path that has one is written with another at its end.
    An engine that is known by name comes back as what it stands for: kind `gtp`, its command.
    """
    text = text.strip()
    kind, _, rest = text.partition(":")
    if kind == "gtp":
        return Spec(text, kind, rest.strip())
    body, query = _split_options(text)
    kind, _, target = body.partition(":")
    options: dict[str, str] = {}
    for part in filter(None, query.split("&")):
        key, equals, value = part.partition("=")
        if not equals or not key or not value:
            raise HonteError(f"player {text!r}: {part!r} is not an option of the form key=value")
        if key in options:
            raise HonteError(f"player {text!r}: option {key!r} is given twice: give it once")
        options[key] = unquote(value)
    spec = Spec(text, kind, target, options)
    return Spec(text, "gtp", _engine_command(spec)) if kind in _ENGINES else spec


def is_engine(spec: str) -> bool:
    """Tell whether a SPEC names a program that is spoken to over GTP."""
    return parse_spec(spec).kind == "gtp"


def make_agent(spec: str, *, size: int, seed: int = 0) -> Agent:
    """Return the player that a SPEC describes, ready for boards of this size."""
    return _maker(spec)(size, seed)


def check_spec(spec: str) -> None:
    """Raise what is wrong with a SPEC; loads no network and starts no engine."""
    _maker(spec)


def pinned_spec(spec: str) -> str:
    """Return the SPEC with the champion that its run has now in the place of the run.

    Raises: HonteError if there is none.
    """
    parsed = parse_spec(spec)
    if parsed.kind not in _TRAINED:
        return spec
    target = pinned(parsed.target)
    return parsed.text if target == parsed.target else with_weights(spec, target)


def weights_of(spec: str) -> Path:
    """Return the weights file of a trained player."""
    return find_checkpoint(parse_spec(spec).target)


def with_weights(spec: str, path: str) -> str:
    """Return the SPEC of a trained player with a file in the place of what it names."""
    parsed = parse_spec(spec)
    _, query = _split_options(parsed.text)
    mark = "?" if query or "?" in path else ""
    return f"{parsed.kind}:{path}{mark}{query}"


def _split_options(text: str) -> tuple[str, str]:
    """Split a SPEC into its kind with the target, and its options."""
    kind, _, _ = text.partition(":")
    if "?" in kind or "?" not in text:  # no target, and a colon only within an option
        body, _, query = text.partition("?")
    else:
        body, _, query = text.rpartition("?")
    return body, query


def _maker(spec: str) -> Maker:
    """Read a SPEC to its end: kind, options, and that its file or program is there."""
    parsed = parse_spec(spec)
    if parsed.kind not in _MAKERS:
        kinds = (*_MAKERS, *_ENGINES)
        near = difflib.get_close_matches(parsed.kind, kinds, 1)
        hint = f"; did you mean {near[0]!r}?" if near else f": use one of {', '.join(kinds)}"
        raise HonteError(f"unknown player {parsed.kind!r}{hint}")
    options = _Options(parsed)
    maker = _MAKERS[parsed.kind](parsed, options)
    options.refuse_unknown()
    return maker


class _Options:
    """The options of a SPEC, taken one by one; what is left over is an error."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self._left = dict(spec.options)
        self._known: list[str] = []

    def take(self, name: str, default: float) -> float:
        """Return a number."""
        text = self.text(name, "")
        if not text:
            return default
        try:
            value = float(text)
            if not math.isfinite(value):
                raise ValueError
            return value
        except ValueError:
            raise HonteError(f"player {self.spec.text!r}: {name}={text} is not a number") from None

    def integer(self, name: str, default: int, least: int) -> int:
        value = float(self.take(name, default))
        if not (least <= value <= _MOST and value.is_integer()):
            bounds = f"a whole number, at least {least} and at most {_MOST:,}"
            raise HonteError(f"player {self.spec.text!r}: {name} must be {bounds}")
        return int(value)

    def text(self, name: str, default: str) -> str:
        self._known.append(name)
        return self._left.pop(name, default)

    def refuse_unknown(self) -> None:
        for name in self._left:
            near = difflib.get_close_matches(name, self._known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(self._known)}"
            raise HonteError(f"player {self.spec.text!r}: unknown option {name!r}; {hint}")


def search_options(options: _Options, base: SearchConfig) -> SearchConfig:
    """Return the search settings that a SPEC asks for."""
    rule = options.text("search", base.root)
    if rule not in ("puct", "gumbel"):
        raise HonteError(f"search={rule} is not known: use puct or gumbel")
    return replace(
        base,
        root="gumbel" if rule == "gumbel" else "puct",
        c_puct=options.take("c_puct", base.c_puct),
        c_puct_spread=options.take("spread", base.c_puct_spread),
        fpu_reduction=options.take("fpu", base.fpu_reduction),
        considered=options.integer("considered", base.considered, 2),
        leaves=options.integer("leaves", base.leaves, 1),
        lcb=options.take("lcb", base.lcb),
        reuse=bool(options.integer("reuse", base.reuse, 0)),
        temperature_moves=options.integer("temperature_moves", 0, 0),
    )


#: Matches and games with people: no noise, the most visited move. Eight leaves in a batch are
#: three times as fast as one on a CPU, beyond that little is gained; a GPU wants `leaves=64`.
PLAY_SEARCH = SearchConfig(
    root="puct", interior="puct", gumbel_scale=0.0, dirichlet_fraction=0.0, temperature_moves=0,
    leaves=8,
)  # fmt: skip


def _random(spec: Spec, options: _Options) -> Maker:
    _refuse_target(spec)
    return lambda size, seed: RandomAgent(seed, spec.text)


def _rollout(spec: Spec, options: _Options) -> Maker:
    _refuse_target(spec)
    rollouts = options.integer("rollouts", 1, 1)
    base = replace(PLAY_SEARCH, c_puct=1.4, fpu_reduction=0.0, leaves=1)  # no gain in batches
    simulations, limit = _simulations(options, 1000)
    config, resign = search_options(options, base), _resign(options)

    def make(size: int, seed: int) -> Agent:
        evaluator = RolloutEvaluator(seed, rollouts=rollouts)
        rng = _rng(config, seed)
        return MctsAgent(evaluator, config, simulations, spec.text, resign, rng, limit)

    return make


def _honte(spec: Spec, options: _Options) -> Maker:
    simulations, limit = _simulations(options, DEFAULT_SIMULATIONS)
    config, resign = search_options(options, PLAY_SEARCH), _resign(options)
    network = _network(spec, options)

    def make(size: int, seed: int) -> Agent:
        evaluator = network(size, seed)
        rng = _rng(config, seed)
        return MctsAgent(evaluator, config, simulations, spec.text, resign, rng, limit)

    return make


def _policy(spec: Spec, options: _Options) -> Maker:
    temperature = _temperature(options)
    network = _network(spec, options)

    def make(size: int, seed: int) -> Agent:
        from agents.policy_agent import PolicyAgent

        return PolicyAgent(network(size, seed), spec.text, temperature, seed)

    return make


def _q(spec: Spec, options: _Options) -> Maker:
    path, temperature = find_checkpoint(spec.target), _temperature(options)

    def make(size: int, seed: int) -> Agent:
        from agents.q_agent import q_agent

        return q_agent(path, spec.text, temperature, seed)

    return make


def _pg(spec: Spec, options: _Options) -> Maker:
    path, temperature = find_checkpoint(spec.target), _temperature(options)

    def make(size: int, seed: int) -> Agent:
        from agents.pg_agent import pg_agent

        return pg_agent(path, spec.text, temperature, seed)

    return make


def _engine_command(spec: Spec) -> str:
    _refuse_target(spec)
    command, numbers = _ENGINES[spec.kind]
    options = _Options(spec)
    chosen = {name: options.integer(name, default, 1) for name, default in numbers.items()}
    options.refuse_unknown()
    return command.format(**chosen)


def _gtp(spec: Spec, options: _Options) -> Maker:
    engine_words(spec.target)
    return lambda size, seed: GtpAgent(spec.target, name=spec.text)


def _network(spec: Spec, options: _Options) -> Callable[[int, int], Evaluator]:
    """Return the maker of the evaluator with a SPEC's weights; torch is imported only by it."""
    texts = {name: options.text(name, "auto") for name in ("backend", "precision", "device")}
    config = InferenceConfig(**texts, details=True)  # type: ignore[arg-type]
    symmetry, cache = options.text("symmetry", "none"), options.integer("cache", 0, 0)
    if symmetry not in _SYMMETRIES:
        known = ", ".join(_SYMMETRIES)
        raise HonteError(f"player {spec.text!r}: unknown symmetry {symmetry!r}: use one of {known}")
    path = find_checkpoint(spec.target)

    def make(size: int, seed: int) -> Evaluator:
        from agents.inference import network_evaluator

        rng = np.random.default_rng(seed)
        evaluator = network_evaluator(path, size, config, symmetry, rng)  # type: ignore[arg-type]
        return CachedEvaluator(evaluator, cache) if cache > 0 else evaluator

    return make


def _simulations(options: _Options, default: int) -> tuple[int, int | None]:
    """Return the simulations of a move, and their limit under a clock: only what the SPEC names."""
    simulations = options.integer("sims", default, 1)
    return simulations, simulations if "sims" in options.spec.options else None


def _rng(config: SearchConfig, seed: int) -> np.random.Generator | None:
    return np.random.default_rng(seed) if config.temperature_moves else None


def _refuse_target(spec: Spec) -> None:
    if spec.target:
        hint = f"options follow a question mark: {spec.kind}?{spec.target}"
        raise HonteError(f"player {spec.text!r}: {spec.kind} takes no file; {hint}")


def _temperature(options: _Options) -> float:
    temperature = options.take("temperature", 0.0)
    if not temperature >= 0.0:
        raise HonteError(f"{options.spec.text}: temperature {temperature} must not be negative")
    return temperature


def _resign(options: _Options) -> float | None:
    bound = options.take("resign", 2.0)
    return None if bound > 1 else -abs(bound)


_SYMMETRIES = ("none", "random", "average")  # as agents.inference has them
_TRAINED = ("honte", "policy", "q", "pg")
_MAKERS: dict[str, Callable[[Spec, _Options], Maker]] = {
    "random": _random,
    "rollout": _rollout,
    "honte": _honte,
    "policy": _policy,
    "q": _q,
    "pg": _pg,
    "gtp": _gtp,
}

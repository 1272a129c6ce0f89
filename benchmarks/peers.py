"""What the peers are asked to do; every function returns a run that returns its amount of work."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

Run = Callable[[], float]


def openspiel_rollouts(size: int) -> Run:
    """Playouts in C++: one simulation of a search bot with many rollouts."""
    import pyspiel

    game = pyspiel.load_game("go", {"board_size": size})
    count = 800 if size <= 9 else 60
    evaluator = pyspiel.RandomRolloutEvaluator(n_rollouts=count, seed=1)
    bot = pyspiel.MCTSBot(game, evaluator, 1.4, 1, 100, False, 1, False)
    state = game.new_initial_state()

    def run() -> float:
        bot.step(state)
        return count

    return run


def openspiel_loop(size: int) -> Run:
    """Random games in Python with observation and mask of every position."""
    import pyspiel

    game = pyspiel.load_game("go", {"board_size": size})
    rng = np.random.default_rng(0)

    def run() -> float:
        moves = 0
        while moves < 3_000:
            state = game.new_initial_state()
            while not state.is_terminal():
                actions = state.legal_actions()
                state.observation_tensor()
                state.legal_actions_mask()
                state.apply_action(actions[int(rng.random() * len(actions))])
                moves += 1
        return moves

    return run


def openspiel_search(size: int) -> Run:
    """Simulations of the C++ bot, one rollout each."""
    import pyspiel

    game = pyspiel.load_game("go", {"board_size": size})
    count = 1000 if size <= 9 else 100
    evaluator = pyspiel.RandomRolloutEvaluator(n_rollouts=1, seed=1)
    bot = pyspiel.MCTSBot(game, evaluator, 1.4, count, 1000, False, 1, False)
    state = game.new_initial_state()

    def run() -> float:
        bot.step(state)
        return count

    return run


def openspiel_python_search(size: int) -> Run:
    """Simulations of the Python bot with an evaluator that costs nothing."""
    import pyspiel
    from open_spiel.python.algorithms import mcts

    class Constant(mcts.Evaluator):
        def evaluate(self, state):  # type: ignore[no-untyped-def]
            return np.zeros(2)

        def prior(self, state):  # type: ignore[no-untyped-def]
            actions = state.legal_actions()
            return [(action, 1 / len(actions)) for action in actions]

    game = pyspiel.load_game("go", {"board_size": size})
    bot = mcts.MCTSBot(game, 1.4, 400, Constant(), child_selection_fn=mcts.SearchNode.puct_value)
    state = game.new_initial_state()

    def run() -> float:
        bot.mcts_search(state)
        return 400

    return run


def mctx_search(size: int, games: int = 64, simulations: int = 32) -> Run:
    """Gumbel search of mctx on pgx boards with constant priors and values."""
    import jax
    import jax.numpy as jnp
    import mctx
    from pgx.go import Go

    env = Go(size=size)
    init, step = jax.vmap(env.init), jax.vmap(env.step)

    def recurrent(params, key, action, state):  # type: ignore[no-untyped-def]
        mover = state.current_player
        state = step(state, action)
        logits = jnp.where(state.legal_action_mask, 0.0, -1e9)
        reward = state.rewards[jnp.arange(games), mover]
        discount = jnp.where(state.terminated, 0.0, -1.0)
        output = mctx.RecurrentFnOutput(
            reward=reward, discount=discount, prior_logits=logits, value=jnp.zeros(games)
        )
        return output, state

    @jax.jit
    def search(key, state):  # type: ignore[no-untyped-def]
        root = mctx.RootFnOutput(
            prior_logits=jnp.zeros((games, size * size + 1)),
            value=jnp.zeros(games),
            embedding=state,
        )
        return mctx.gumbel_muzero_policy(
            None, key, root, recurrent, simulations, invalid_actions=~state.legal_action_mask
        ).action

    key = jax.random.PRNGKey(0)
    state = init(jax.random.split(key, games))
    search(key, state).block_until_ready()

    def run() -> float:
        search(key, state).block_until_ready()
        return games * simulations

    return run


def pgx_steps(size: int, moves: int = 100) -> Run:
    """Random moves in one jitted loop of one game, which is pgx's best case on a CPU."""
    import jax
    import jax.numpy as jnp
    from pgx.go import Go

    env = Go(size=size)

    def move(carry, _):  # type: ignore[no-untyped-def]
        state, key = carry
        key, sub = jax.random.split(key)
        action = jax.random.categorical(sub, jnp.where(state.legal_action_mask, 0.0, -1e9))
        return (env.step(state, action), key), state.observation.sum()

    @jax.jit
    def play(key):  # type: ignore[no-untyped-def]
        return jax.lax.scan(move, (env.init(key), key), None, length=moves)[1]

    play(jax.random.PRNGKey(0)).block_until_ready()

    def run() -> float:
        for seed in range(10):
            play(jax.random.PRNGKey(seed)).block_until_ready()
        return 10 * moves

    return run


def legal_chooser(size: int) -> Callable[[np.ndarray], int]:
    """Return what chooses in both environments: the first legal action from a random point on.

    It costs half a microsecond, so that the environments are measured and not the choice.
    """
    starts = itertools.cycle(np.random.default_rng(0).integers(size * size, size=4096).tolist())

    def choose(mask: np.ndarray) -> int:
        start = next(starts)
        return start + int(mask[start:].argmax())  # a pass, the last action, is always legal

    return choose


def pettingzoo_steps(size: int, moves: int = 300) -> Run:
    """Random legal moves: step, observation and mask."""
    from pettingzoo.classic import go_v5

    env = go_v5.raw_env(board_size=size, komi=7.5)
    choose = legal_chooser(size)

    def run() -> float:
        env.reset(seed=0)
        for _ in range(moves):
            agent = env.agent_selection
            if env.terminations[agent]:
                env.reset(seed=0)
                continue
            env.step(choose(env.observe(agent)["action_mask"]))
        return moves

    return run


def our_env(size: int, moves: int = 3_000) -> Run:
    """The same with our single environment in self-play."""
    import gymnasium

    import go_env.gym_env  # noqa: F401 - registers it

    env = gymnasium.make("honte/Go-v0", size=size, opponent=None, disable_env_checker=True)
    choose = legal_chooser(size)

    def run() -> float:
        _, info = env.reset(seed=0)
        for _ in range(moves):
            _, _, over, cut, info = env.step(choose(info["action_mask"]))
            if over or cut:
                _, info = env.reset()
        return moves

    return run


def sgfmill_moves(size: int, moves: int = 1_000) -> Run:
    """Random moves on empty points, the simple ko respected."""
    from sgfmill.boards import Board

    rng = np.random.default_rng(0)

    def run() -> float:
        board, ko = Board(size), None
        for move in range(moves):
            if move % (2 * size * size) == 0:
                board, ko = Board(size), None
            empty = [p for p in board.board_points if board.get(*p) is None and p != ko]
            row, column = empty[int(rng.random() * len(empty))]
            ko = board.play(row, column, "bw"[move % 2])
        return moves

    return run


def our_moves(size: int, games: int = 64) -> Run:
    """Moves of random playouts, positional superko and suicide allowed."""
    from go_env import board, playout
    from go_env.layout import new_boards
    from go_env.rules import Rules

    limit = 2 * size * size
    roots = new_boards(games, Rules(size=size, komi=7.0))
    hashes = np.zeros((games, limit + 2), np.uint64)
    snapshots = np.zeros((games, 0, size * size), np.int8)
    board.start_all(roots, hashes, snapshots)
    scratch, states = roots.copy(), playout.random_states(np.random.default_rng(1), games)
    owner, score = np.zeros((games, size * size), np.int8), np.zeros(games, np.float32)
    return lambda: playout.play_out_all(
        roots, scratch, hashes, snapshots, states, False, limit, owner, score
    )


def our_rollouts(size: int, games: int = 64, simulations: int = 100) -> Run:
    """Search with one random rollout a simulation."""
    from go_env import board
    from go_env.layout import new_boards
    from go_env.rules import Rules
    from mcts.config import SearchConfig
    from mcts.rollout import RolloutEvaluator
    from mcts.search import Search

    rules, config = Rules(size=size, komi=7.5), SearchConfig(root="puct", reuse=False)
    search = Search(RolloutEvaluator(1), config, rules, games, simulations + 2)
    forest = search.forest
    forest.roots[:] = new_boards(games, rules)
    board.start_all(forest.roots, forest.hashes, forest.root_snapshots)

    def run() -> float:
        forest.states["num_nodes"] = forest.states["num_edges"] = 0
        search.run(simulations)
        return games * simulations

    return run

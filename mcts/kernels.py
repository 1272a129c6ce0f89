"""Tree kernels for many games at once: select, expand, back up, move the root. No Python objects.

One simulation of a game: walk from the root by the selection rule while replaying the moves on a
copy of the root's board, until an edge without a child; judge that leaf (exactly if the game is
over there, else by the evaluator, with the leaves of all games in one batch); add the node; add its
value along the path. Values change sign at each edge.
"""

from __future__ import annotations

import numpy as np

from go_env.board import LEGAL, fill_area, fill_legal, is_over, play, record_position
from go_env.coords import BLACK
from go_env.jit import kernel
from mcts.tree import NO_CHILD

#: Exponents of the improved policy are cut here so that float64 does not overflow.
MAX_EXPONENT = 500.0
#: Lifts forced playouts above all others; among themselves the usual score decides.
FORCED = 1e6


@kernel(forceinline=True)
def mixed_value(nodes, edges, g, node):
    """Return v_mix, the value of unvisited edges (Danihelka et al. 2022, equation 33)."""
    first, count = nodes[g, node].first, nodes[g, node].num_edges
    visits = 0
    mass = weighted = 0.0
    for e in range(first, first + count):
        n = edges[g, e].visits
        if n > 0:
            visits += n
            mass += edges[g, e].prior
            weighted += edges[g, e].prior * edges[g, e].total / n
    if mass <= 0.0:
        return np.float64(nodes[g, node].value)
    return (nodes[g, node].value + visits * weighted / mass) / (1.0 + visits)


@kernel(forceinline=True)
def choose_puct(nodes, edges, g, node, params):
    """Return the interior edge with the largest Q + U (Silver et al. 2017), in prefix order."""
    first, visited = nodes[g, node].first, nodes[g, node].num_visited
    visits = np.float64(nodes[g, node].visits)
    scale = params[0].c_puct + np.log(
        (1.0 + visits + params[0].c_puct_base) / params[0].c_puct_base
    )
    scale *= np.sqrt(visits)
    mass = 0.0
    best, best_score = first, -np.inf
    for e in range(first, first + visited):
        n = np.float64(edges[g, e].visits)
        mass += edges[g, e].prior
        score = edges[g, e].total / n + scale * edges[g, e].prior / (1.0 + n)
        if score > best_score:
            best, best_score = e, score
    if visited < nodes[g, node].num_edges:
        fpu = nodes[g, node].total / visits - params[0].fpu_reduction * np.sqrt(mass)
        if fpu + scale * edges[g, first + visited].prior > best_score:
            best = first + visited
    return best


@kernel(forceinline=True)
def choose_gumbel(nodes, edges, g, node, params):
    """Return the interior edge whose visits lag most behind the improved policy.

    Source: Danihelka et al. 2022, section 5; the softmax needs one exponential per visited edge.
    """
    first, visited = nodes[g, node].first, nodes[g, node].num_visited
    if visited == 0:
        return first
    visits, most = 0, 0
    mass = weighted = 0.0
    for e in range(first, first + visited):
        n = edges[g, e].visits
        visits += n
        most = max(most, n)
        mass += edges[g, e].prior
        weighted += edges[g, e].prior * edges[g, e].total / n
    value = np.float64(nodes[g, node].value)
    mix = (value + visits * weighted / max(mass, 1e-30)) / (1.0 + visits)
    sigma = 0.5 * (params[0].c_visit + most) * params[0].c_scale
    norm = max(1.0 - mass, 0.0)
    for e in range(first, first + visited):
        gain = sigma * (edges[g, e].total / edges[g, e].visits - mix)
        norm += edges[g, e].prior * np.exp(min(gain, MAX_EXPONENT))
    norm = max(norm, 1e-300)
    best, best_score = first, -np.inf
    for e in range(first, first + visited):
        gain = sigma * (edges[g, e].total / edges[g, e].visits - mix)
        share = edges[g, e].prior * np.exp(min(gain, MAX_EXPONENT)) / norm
        score = share - edges[g, e].visits / (1.0 + visits)
        if score > best_score:
            best, best_score = e, score
    if visited < nodes[g, node].num_edges and edges[g, first + visited].prior / norm > best_score:
        best = first + visited
    return best


@kernel
def choose_root_gumbel(nodes, edges, g, states, schedule, bias, counts, params):
    """Return the root edge that sequential halving visits next.

    Among the actions with as many visits in this search as the schedule asks for, the one with the
    largest noise + log prior + sigma(Q).
    """
    wanted = schedule[states[g].schedule, states[g].considered, states[g].done]
    first, count = nodes[g, 0].first, nodes[g, 0].num_edges
    mix = mixed_value(nodes, edges, g, 0)
    most = 0
    for e in range(first, first + count):
        most = max(most, edges[g, e].visits)
    sigma = 0.5 * (params[0].c_visit + most) * params[0].c_scale
    best, best_score = np.int64(first), -np.inf
    for e in range(first, first + count):
        action = edges[g, e].action
        if counts[g, action] == wanted:
            n = edges[g, e].visits
            q = edges[g, e].total / n if n > 0 else mix
            score = bias[g, action] + sigma * q
            if score > best_score:
                best, best_score = np.int64(e), score
    return best


@kernel
def choose_root_puct(nodes, edges, g, banned, params):
    """Return the root edge with the largest Q + U; forced playouts come first (Wu 2019, 3.2)."""
    first, count = nodes[g, 0].first, nodes[g, 0].num_edges
    visits = np.float64(nodes[g, 0].visits)
    scale = params[0].c_puct + np.log(
        (1.0 + visits + params[0].c_puct_base) / params[0].c_puct_base
    )
    scale *= np.sqrt(visits)
    mass = 0.0
    for e in range(first, first + count):
        if edges[g, e].visits > 0:
            mass += edges[g, e].prior
    fpu = nodes[g, 0].total / visits - params[0].root_fpu_reduction * np.sqrt(mass)
    best, best_score = np.int64(first), -np.inf
    for e in range(first, first + count):
        if banned[g, edges[g, e].action]:
            continue
        n, prior = edges[g, e].visits, edges[g, e].prior
        score = (edges[g, e].total / n if n > 0 else fpu) + scale * prior / (1.0 + n)
        if n > 0 and n < np.sqrt(params[0].forced_playouts * prior * (visits - 1.0)):
            score += FORCED
        if score > best_score:
            best, best_score = np.int64(e), score
    return best


@kernel
def back_up(nodes, edges, g, path, depth, value):
    """Add a value (for the player to move at the leaf) along the path of game g."""
    for i in range(depth - 1, -1, -1):
        value = -value
        node, edge = path[g, i, 0], path[g, i, 1]
        edges[g, edge].visits += 1
        edges[g, edge].total += value
        nodes[g, node].visits += 1
        nodes[g, node].total += value


@kernel
def promote_edge(nodes, edges, g, node, edge):
    """Count the best unvisited edge (at slot num_visited) as visited and restore prefix order."""
    first, count = nodes[g, node].first, nodes[g, node].num_edges
    nodes[g, node].num_visited += 1
    slot = first + nodes[g, node].num_visited
    best = slot
    for e in range(slot + 1, first + count):
        if edges[g, e].prior > edges[g, best].prior:
            best = e
    if slot < first + count and best != slot:
        held = edges[g, slot]
        prior, action = held.prior, held.action
        edges[g, slot].prior = edges[g, best].prior
        edges[g, slot].action = edges[g, best].action
        edges[g, best].prior = prior
        edges[g, best].action = action


@kernel
def add_node(nodes, g, states, value, terminal):
    """Append a node without edges below the last edge of the path; return it, or -1: no room."""
    node = states[g].num_nodes
    if node >= nodes.shape[1]:
        return np.int64(-1)
    states[g].num_nodes = node + 1
    nodes[g, node].first = states[g].num_edges
    nodes[g, node].visits = 1
    nodes[g, node].total = value
    nodes[g, node].value = value
    nodes[g, node].num_edges = 0
    nodes[g, node].num_visited = 0
    nodes[g, node].terminal = terminal
    return np.int64(node)


@kernel
def expand(nodes, edges, g, states, path, legal, policy, slot, value):
    """Add the pending leaf of game g as a node with one edge per legal action, if there is room."""
    actions = legal.shape[1]
    count = 0
    total = 0.0
    for action in range(actions):
        if legal[slot, action] == LEGAL:
            count += 1
            total += policy[slot, action]
    first = states[g].num_edges
    if first + count > edges.shape[1]:
        return
    node = add_node(nodes, g, states, value, 0)
    if node < 0:
        return
    uniform = not (total > 0.0 and total < np.inf)
    scale = 1.0 / count if uniform else 1.0 / total
    e = first
    best = first
    for action in range(actions):
        if legal[slot, action] == LEGAL:
            edges[g, e].prior = scale * (1.0 if uniform else policy[slot, action])
            edges[g, e].total = 0.0
            edges[g, e].visits = 0
            edges[g, e].child = NO_CHILD
            edges[g, e].action = action
            if edges[g, e].prior > edges[g, best].prior:
                best = e
            e += 1
    prior, action = edges[g, best].prior, edges[g, best].action
    edges[g, best].prior = edges[g, first].prior
    edges[g, best].action = edges[g, first].action
    edges[g, first].prior = prior
    edges[g, first].action = action
    nodes[g, node].num_edges = count
    states[g].num_edges = first + count
    depth = states[g].depth
    if depth > 0:
        edges[g, path[g, depth - 1, 1]].child = node


@kernel
def outcome_to_move(b, area):
    """Return the exact result of a finished game for the player to move; area [1, N*N] scratch."""
    score = fill_area(b, area, 0) - b.komi
    if score == 0.0:
        return 0.0
    return 1.0 if (score > 0.0) == (b.to_play == BLACK) else -1.0


@kernel
def copy_root(g, slot, roots, leaves, root_snapshots, leaf_snapshots):
    """Put a copy of the root of game g into a leaf slot."""
    leaves[slot] = roots[g]
    for t in range(root_snapshots.shape[1]):
        for point in range(root_snapshots.shape[2]):
            leaf_snapshots[slot, t, point] = root_snapshots[g, t, point]


@kernel
def descend(
    g, slot, roots, leaves, hashes, root_snapshots, leaf_snapshots, legal, area,
    nodes, edges, states, path, schedule, bias, counts, banned, params,
):  # fmt: skip
    """Run one simulation of game g up to its leaf; tell whether that (in `slot`) must be evaluated.

    A leaf where the game is over is judged and backed up at once.
    """
    copy_root(g, slot, roots, leaves, root_snapshots, leaf_snapshots)
    node = np.int64(0)
    depth = 0
    while nodes[g, node].terminal == 0:
        if node == 0:
            if params[0].gumbel_root:
                edge = choose_root_gumbel(nodes, edges, g, states, schedule, bias, counts, params)
            else:
                edge = choose_root_puct(nodes, edges, g, banned, params)
            counts[g, edges[g, edge].action] += 1
        else:
            if params[0].gumbel_interior:
                edge = np.int64(choose_gumbel(nodes, edges, g, node, params))
            else:
                edge = np.int64(choose_puct(nodes, edges, g, node, params))
            if edges[g, edge].visits == 0:
                promote_edge(nodes, edges, g, node, edge)
        path[g, depth, 0] = node
        path[g, depth, 1] = edge
        depth += 1
        play(leaves[slot], hashes, g, leaf_snapshots, slot, edges[g, edge].action)
        child = np.int64(edges[g, edge].child)
        if child == NO_CHILD:
            states[g].depth = depth
            if not is_over(leaves[slot]):
                fill_legal(leaves[slot], hashes, g, legal, slot)
                return True
            value = outcome_to_move(leaves[slot], area)
            child = add_node(nodes, g, states, value, 1)
            if child >= 0:
                edges[g, edge].child = child
            back_up(nodes, edges, g, path, depth, value)
            return False
        node = child
    nodes[g, node].visits += 1
    nodes[g, node].total += nodes[g, node].value
    back_up(nodes, edges, g, path, depth, np.float64(nodes[g, node].value))
    return False


@kernel
def start_roots(
    roots, leaves, hashes, root_snapshots, leaf_snapshots, legal, owner, states
):  # fmt: skip
    """Put the roots that have no node yet into leaf slots; return how many there are."""
    pending = 0
    for g in range(len(roots)):
        if states[g].target > 0 and states[g].num_nodes == 0:
            copy_root(g, pending, roots, leaves, root_snapshots, leaf_snapshots)
            fill_legal(leaves[pending], hashes, g, legal, pending)
            states[g].depth = 0
            owner[pending] = g
            pending += 1
    return pending


@kernel
def absorb(owner, pending, legal, policy, value, nodes, edges, states, path):
    """Expand and back up the pending leaves of all games with the evaluator's answers."""
    for slot in range(pending):
        g = owner[slot]
        leaf_value = min(max(np.float64(value[slot]), -1.0), 1.0)
        expand(nodes, edges, g, states, path, legal, policy, slot, leaf_value)
        back_up(nodes, edges, g, path, states[g].depth, leaf_value)
        if states[g].depth > 0:
            states[g].done += 1


@kernel
def collect(
    roots, leaves, hashes, root_snapshots, leaf_snapshots, legal, area, owner,
    nodes, edges, states, path, schedule, bias, counts, banned, params,
):  # fmt: skip
    """Search each game until it has a leaf to evaluate or is done; return the number of leaves."""
    pending = 0
    for g in range(len(roots)):
        while states[g].done < states[g].target:
            if descend(
                g, pending, roots, leaves, hashes, root_snapshots, leaf_snapshots, legal, area,
                nodes, edges, states, path, schedule, bias, counts, banned, params,
            ):  # fmt: skip
                owner[pending] = g
                pending += 1
                break
            states[g].done += 1
    return pending


@kernel
def move_root(nodes, edges, g, states, action):
    """Make the child under `action` the root of game g and forget everything else, in place.

    Children are born after their parents and edges in the order of their nodes, so each kept node
    and edge moves to a smaller index.
    """
    first, count = nodes[g, 0].first, nodes[g, 0].num_edges
    child = NO_CHILD
    if states[g].num_nodes > 0:
        for e in range(first, first + count):
            if edges[g, e].action == action:
                child = edges[g, e].child
    total_nodes = states[g].num_nodes
    states[g].num_nodes = 0
    states[g].num_edges = 0
    if child == NO_CHILD or nodes[g, child].terminal:
        return
    moved_to = np.full(total_nodes, -1, np.int32)
    moved_to[child] = 0
    kept = kept_edges = 0
    for node in range(child, total_nodes):
        if moved_to[node] < 0:
            continue
        first, count = nodes[g, node].first, nodes[g, node].num_edges
        moved_to[node] = kept
        nodes[g, kept] = nodes[g, node]
        nodes[g, kept].first = kept_edges
        for e in range(first, first + count):
            edges[g, kept_edges] = edges[g, e]
            if edges[g, e].child != NO_CHILD:
                moved_to[edges[g, e].child] = 0
            kept_edges += 1
        kept += 1
    for e in range(kept_edges):
        if edges[g, e].child != NO_CHILD:
            edges[g, e].child = moved_to[edges[g, e].child]
    states[g].num_nodes = kept
    states[g].num_edges = kept_edges


@kernel
def play_roots(roots, hashes, root_snapshots, nodes, edges, states, actions, reuse):
    """Play one action in each game (negative: none) and keep its subtree if `reuse`."""
    for g in range(len(roots)):
        if actions[g] < 0:
            continue
        play(roots[g], hashes, g, root_snapshots, g, actions[g])
        if reuse and not is_over(roots[g]):
            move_root(nodes, edges, g, states, actions[g])
        else:
            states[g].num_nodes = 0
            states[g].num_edges = 0


@kernel
def begin_games(roots, hashes, root_snapshots, states, which):
    """Append the present position of the chosen games to their (empty) histories; drop their trees.

    Records must have been cleared, with length 0.
    """
    for i in range(len(which)):
        g = which[i]
        record_position(roots[g], hashes, g, root_snapshots, g)
        states[g].num_nodes = 0
        states[g].num_edges = 0

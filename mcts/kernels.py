"""Tree kernels for many games at once: select, expand, back up, move the root. No Python objects.

One simulation of a game: walk from the root by the selection rule while replaying the moves on a
copy of the root's board, until an edge without a child; judge that leaf (exactly if the game is
over there, else by the evaluator, with the leaves of all games in one batch); add the node; add its
value along the path. Values change sign at each edge.

Several leaves of one game may wait at once. Until its evaluation comes, a simulation counts as lost
for whoever chooses an edge of its path (virtual loss, Chaslot et al. 2008), so that the next one
goes elsewhere; one that meets a waiting leaf all the same is given up. Below a Gumbel root the
waiting leaves lie under different root actions, which have equally many visits: a fresh tree grows
exactly as by one leaf at a time (where a subtree was kept, values arrive a little later). At a PUCT
root only one leaf waits for every `VISITS_PER_LEAF` visits, so that small trees are searched as if
there were no batches.
"""

from __future__ import annotations

import numpy as np

from go_env.board import fill_area, fill_legal, is_over, play, record_position
from go_env.coords import BLACK
from go_env.jit import kernel
from go_env.layout import LEGAL
from mcts.selection import (
    choose_gumbel,
    choose_puct,
    choose_root_gumbel,
    choose_root_puct,
    with_score,
)
from mcts.tree import NO_CHILD, WAITING

VISITS_PER_LEAF = 32
WAITS, FINISHED, MET = 1, 0, -1  # how a simulation ends: at a new leaf, a finished game, a leaf met


@kernel
def back_up(nodes, edges, g, path, slot, depth, value):
    """Add a value (for the player to move at the leaf) along the path in a slot of game g."""
    for i in range(depth - 1, -1, -1):
        value = -value
        node, edge = path[slot, i, 0], path[slot, i, 1]
        edges[g, edge].visits += 1
        edges[g, edge].total += value
        nodes[g, node].visits += 1
        nodes[g, node].total += value
        nodes[g, node].squares += value * value


@kernel
def count_as_lost(nodes, edges, g, path, slot, depth, times):
    """Add a lost simulation, for each who chooses, along a path; times: 1, or -1 to undo it."""
    for i in range(depth):
        node, edge = path[slot, i, 0], path[slot, i, 1]
        edges[g, edge].visits += times
        edges[g, edge].total -= times
        nodes[g, node].visits += times
        nodes[g, node].total -= times
        nodes[g, node].squares += times


@kernel(forceinline=True)
def bring_best(priors, actions, g, start, end):
    """Swap the edge with the largest prior among start .. end - 1 to the start."""
    if start >= end:
        return
    best, best_prior = start, priors[g, start]
    for e in range(start + 1, end):
        if priors[g, e] > best_prior:
            best, best_prior = e, priors[g, e]
    action = actions[g, best]
    priors[g, best], actions[g, best] = priors[g, start], actions[g, start]
    priors[g, start], actions[g, start] = best_prior, action


@kernel
def promote_edge(nodes, edges, priors, actions, g, node, edge):
    """Count the best unvisited edge (at slot num_visited) as visited and restore prefix order."""
    edges[g, edge].total = 0.0
    edges[g, edge].visits = 0
    edges[g, edge].child = NO_CHILD
    nodes[g, node].num_visited += 1
    bring_best(priors, actions, g, edge + 1, nodes[g, node].first + nodes[g, node].num_edges)


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
    nodes[g, node].squares = value * value
    nodes[g, node].value = value
    nodes[g, node].num_edges = 0
    nodes[g, node].num_visited = 0
    nodes[g, node].terminal = terminal
    return np.int64(node)


@kernel(forceinline=True)
def legal_mass(legal, policy, slot):
    """Return the number of legal actions and the sum of their policy.

    Four sums side by side: one alone would wait for each addition.
    """
    count = np.int64(0)
    a = b = c = d = 0.0
    end = legal.shape[1] & ~3
    for i in range(0, end, 4):
        a += policy[slot, i] if legal[slot, i] == LEGAL else 0.0
        b += policy[slot, i + 1] if legal[slot, i + 1] == LEGAL else 0.0
        c += policy[slot, i + 2] if legal[slot, i + 2] == LEGAL else 0.0
        d += policy[slot, i + 3] if legal[slot, i + 3] == LEGAL else 0.0
    for i in range(end, legal.shape[1]):
        a += policy[slot, i] if legal[slot, i] == LEGAL else 0.0
    for i in range(legal.shape[1]):
        count += legal[slot, i] == LEGAL
    return count, (a + b) + (c + d)


@kernel(forceinline=True)
def clear_edges(edges, g, start, end):
    """Make the edges start .. end - 1 unvisited ones."""
    for e in range(start, end):
        edges[g, e].total = 0.0
        edges[g, e].visits = 0
        edges[g, e].child = NO_CHILD


@kernel
def expand(nodes, edges, priors, actions, g, states, path, depth, legal, policy, slot, value):
    """Add the leaf in a slot of game g as a node with an edge per legal action, if it has room."""
    count, total = legal_mass(legal, policy, slot)
    first = states[g].num_edges
    if first + count > edges.shape[1]:
        return
    node = add_node(nodes, g, states, value, 0)
    if node < 0:
        return
    uniform = not (total > 0.0 and total < np.inf)
    scale = 1.0 / count if uniform else 1.0 / total
    e = np.int64(first)
    for action in range(legal.shape[1]):  # the last action, a pass, is legal: nothing is overrun
        priors[g, e] = scale * (1.0 if uniform else policy[slot, action])
        actions[g, e] = action
        e += legal[slot, action] == LEGAL
    bring_best(priors, actions, g, np.int64(first), e)
    nodes[g, node].num_edges = count
    states[g].num_edges = e
    if depth > 0:
        edges[g, path[slot, depth - 1, 1]].child = node
    else:
        clear_edges(edges, g, first, e)


@kernel
def outcome_to_move(b, area, params):
    """Return the exact result of a finished game for the player to move; area [1, N*N] scratch."""
    lead = np.float64(fill_area(b, area, 0) - b.komi)
    if b.to_play != BLACK:
        lead = -lead
    return with_score(np.sign(lead), lead, np.float64(b.side), params[0].score_weight)


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
    nodes, edges, priors, actions, states, path, depths, schedule, bias, counts, banned, params,
):  # fmt: skip
    """Run one simulation of game g up to its leaf, in `slot`; tell how it ends.

    A leaf where the game is over is judged and backed up at once.
    """
    copy_root(g, slot, roots, leaves, root_snapshots, leaf_snapshots)
    node = np.int64(0)
    depth = 0
    while nodes[g, node].terminal == 0:
        if node == 0:
            if params[0].gumbel_root:
                edge = choose_root_gumbel(
                    nodes, edges, priors, actions, g, states, schedule, bias, counts, params
                )
            else:
                edge = choose_root_puct(nodes, edges, priors, actions, g, banned, params)
        else:
            if params[0].gumbel_interior:
                edge = np.int64(choose_gumbel(nodes, edges, priors, g, node, params))
            else:
                edge = np.int64(choose_puct(nodes, edges, priors, g, node, params))
            if edge == nodes[g, node].first + nodes[g, node].num_visited:
                promote_edge(nodes, edges, priors, actions, g, node, edge)
        child = np.int64(edges[g, edge].child)
        if child == WAITING:
            return MET
        path[slot, depth, 0] = node
        path[slot, depth, 1] = edge
        depth += 1
        play(leaves[slot], hashes, g, leaf_snapshots, slot, actions[g, edge])
        if child == NO_CHILD:
            depths[slot] = depth
            if not is_over(leaves[slot]):
                fill_legal(leaves[slot], hashes, g, legal, slot)
                edges[g, edge].child = WAITING
                return WAITS
            value = outcome_to_move(leaves[slot], area, params)
            child = add_node(nodes, g, states, value, 1)
            if child >= 0:
                edges[g, edge].child = child
            back_up(nodes, edges, g, path, slot, depth, value)
            return FINISHED
        node = child
    value = np.float64(nodes[g, node].value)
    nodes[g, node].visits += 1
    nodes[g, node].total += value
    nodes[g, node].squares += value * value
    back_up(nodes, edges, g, path, slot, depth, value)
    return FINISHED


@kernel
def start_roots(
    roots, leaves, hashes, root_snapshots, leaf_snapshots, legal, owner, states, depths
):  # fmt: skip
    """Put the roots that have no node yet into leaf slots; return how many there are."""
    pending = 0
    for g in range(len(roots)):
        states[g].waiting = 0
        if states[g].target > 0 and states[g].num_nodes == 0:
            copy_root(g, pending, roots, leaves, root_snapshots, leaf_snapshots)
            fill_legal(leaves[pending], hashes, g, legal, pending)
            depths[pending] = 0
            owner[pending] = g
            pending += 1
    return pending


@kernel
def absorb(
    owner, pending, legal, policy, value, nodes, edges, priors, actions, states, path, depths
):
    """Expand and back up the pending leaves of all games with the evaluator's answers."""
    width = len(owner) // len(states)
    for slot in range(pending):
        g, depth = owner[slot], depths[slot]
        leaf_value = min(max(np.float64(value[slot]), -1.0), 1.0)
        if depth > 0:
            states[g].waiting -= 1
            states[g].done += 1
            edges[g, path[slot, depth - 1, 1]].child = NO_CHILD
        if width > 1:
            count_as_lost(nodes, edges, g, path, slot, depth, -1)
        expand(nodes, edges, priors, actions, g, states, path, depth, legal, policy, slot,
               leaf_value)  # fmt: skip
        back_up(nodes, edges, g, path, slot, depth, leaf_value)


@kernel(forceinline=True)
def wants_leaf(nodes, g, states, schedule, params, width):
    """Tell whether game g should be searched for a further leaf before the waiting ones return."""
    waiting, done = states[g].waiting, states[g].done
    if done + waiting >= states[g].target or waiting >= width:
        return False
    if waiting == 0:
        return True
    if params[0].gumbel_root:
        levels = schedule[states[g].schedule, states[g].considered]
        return levels[done + waiting] == levels[done]
    return waiting < nodes[g, 0].visits // VISITS_PER_LEAF


@kernel
def collect(
    roots, leaves, hashes, root_snapshots, leaf_snapshots, legal, area, owner, nodes, edges,
    priors, actions, states, path, depths, schedule, bias, counts, banned, params,
):  # fmt: skip
    """Search each game until its leaves must be evaluated or it is done; return their number."""
    pending, width = 0, len(owner) // len(roots)
    for g in range(len(roots)):
        while wants_leaf(nodes, g, states, schedule, params, width):
            ending = descend(
                g, pending, roots, leaves, hashes, root_snapshots, leaf_snapshots, legal, area,
                nodes, edges, priors, actions, states, path, depths, schedule, bias, counts,
                banned, params,
            )  # fmt: skip
            if ending == MET:
                break
            counts[g, actions[g, path[pending, 0, 1]]] += 1
            if ending == FINISHED:
                states[g].done += 1
                continue
            if width > 1:
                count_as_lost(nodes, edges, g, path, pending, depths[pending], 1)
            states[g].waiting += 1
            owner[pending] = g
            pending += 1
    return pending


@kernel(allocates=True)
def move_root(nodes, edges, priors, actions, g, states, action):
    """Make the child under `action` the root of game g and forget everything else, in place.

    Children are born after their parents and edges in the order of their nodes, so each kept node
    and edge moves to a smaller index.
    """
    first, count = nodes[g, 0].first, nodes[g, 0].num_edges
    child = NO_CHILD
    if states[g].num_nodes > 0:
        for e in range(first, first + count):
            if actions[g, e] == action:
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
        for i in range(nodes[g, node].num_visited):
            edges[g, kept_edges + i] = edges[g, first + i]
            if edges[g, first + i].child != NO_CHILD:
                moved_to[edges[g, first + i].child] = 0
        for i in range(count):
            priors[g, kept_edges + i] = priors[g, first + i]
            actions[g, kept_edges + i] = actions[g, first + i]
        kept_edges += count
        kept += 1
    for node in range(kept):
        first = nodes[g, node].first
        for e in range(first, first + nodes[g, node].num_visited):
            if edges[g, e].child != NO_CHILD:
                edges[g, e].child = moved_to[edges[g, e].child]
    clear_edges(edges, g, nodes[g, 0].num_visited, nodes[g, 0].num_edges)
    states[g].num_nodes = kept
    states[g].num_edges = kept_edges


@kernel
def play_roots(roots, hashes, root_snapshots, nodes, edges, priors, actions, states, played, reuse):
    """Play one action in each game (negative: none) and keep its subtree if `reuse`."""
    for g in range(len(roots)):
        if played[g] < 0:
            continue
        play(roots[g], hashes, g, root_snapshots, g, played[g])
        if reuse and not is_over(roots[g]):
            move_root(nodes, edges, priors, actions, g, states, played[g])
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

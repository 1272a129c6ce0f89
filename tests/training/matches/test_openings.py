"""Openings: legal, distinct up to symmetry, reproducible, and readable from SGF."""

import os

import numpy as np
import pytest

from go_env.coords import action_from_vertex
from go_env.errors import HonteError
from go_env.position import Position
from go_env.rules import Rules
from go_env.sgf import SgfGame, write_sgf
from go_env.symmetry import action_tables
from training.matches.openings import (
    book_openings,
    canonical_key,
    even_openings,
    sample_openings,
)

RULES = Rules(size=9, komi=7.0)


def test_openings_are_distinct_even_after_turning_the_board():
    openings = sample_openings(RULES, plies=4, count=200, seed=1)
    keys = {canonical_key(Position.from_moves(RULES, opening.moves)) for opening in openings}
    assert len(keys) == 200
    assert {len(opening.moves) for opening in openings} == {4}
    assert all(81 not in opening.moves for opening in openings)


def test_symmetric_positions_share_their_key():
    moves = [action_from_vertex(vertex, 9) for vertex in ("C3", "G6", "D4")]
    keys = {
        canonical_key(Position.from_moves(RULES, [int(table[move]) for move in moves]))
        for table in action_tables(9)
    }
    assert len(keys) == 1
    assert canonical_key(Position.from_moves(RULES, moves[:2])) not in keys


def test_the_seed_decides_and_longer_lists_extend_shorter_ones():
    ten = sample_openings(RULES, 3, 10, seed=5)
    assert sample_openings(RULES, 3, 20, seed=5)[:10] == ten
    assert sample_openings(RULES, 3, 10, seed=6) != ten


def test_small_boards_get_longer_openings_when_short_ones_run_out():
    # 5x5 has six points that are different up to symmetry
    openings = sample_openings(Rules(size=5, komi=25), plies=1, count=30, seed=0)
    lengths = [len(opening.moves) for opening in openings]
    assert lengths.count(1) == 6
    assert set(lengths) == {1, 2}


@pytest.mark.parametrize(("size", "plies", "count"), [(2, 2, 10), (5, 120, 1)])
def test_a_board_that_has_not_so_many_openings_is_one_line(size, plies, count):
    rules = Rules(size=size, komi=0.5, move_limit=4 * size * size)
    with pytest.raises(HonteError, match=r"not so many different openings .* fewer plies or games"):
        sample_openings(rules, plies, count, seed=0)


def test_gates_do_with_the_openings_that_a_board_has():
    rules = Rules(size=2, komi=1, move_limit=16)
    few = sample_openings(rules, 2, 40, seed=0, at_most=True)
    assert 0 < len(few) < 40
    assert len({canonical_key(Position.from_moves(rules, o.moves)) for o in few}) == len(few)
    assert even_openings(rules, 2, 40, seed=0) == few


def test_no_suicide_and_no_eye_is_filled():
    rules = Rules(size=3, komi=9)
    for opening in sample_openings(rules, plies=6, count=40, seed=2):
        position = Position.initial(rules)
        for action in opening.moves:
            mover, before = position.to_play, position.board
            row, column = divmod(action, 3)
            near = [
                before[r, c]
                for r, c in (
                    (row - 1, column),
                    (row + 1, column),
                    (row, column - 1),
                    (row, column + 1),
                )
                if 0 <= r < 3 and 0 <= c < 3
            ]
            assert not all(stone == mover for stone in near)
            position = position.play(action)
            assert position.board[row, column] == mover


def test_a_book_of_sgf_files(tmp_path):
    moves = [(1, 40), (2, 20), (1, 60), (2, 24)]
    turned = [(color, int(action_tables(9)[3][action])) for color, action in moves]
    write_sgf(tmp_path / "a.sgf", SgfGame(size=9, moves=tuple(moves)))
    write_sgf(tmp_path / "b.sgf", SgfGame(size=9, moves=tuple(turned)))
    write_sgf(tmp_path / "c.sgf", SgfGame(size=9, moves=((1, 0), (2, 80))))
    book = book_openings(str(tmp_path), RULES)
    assert [opening.name for opening in book] == ["a", "c"]
    assert book[0].moves == (40, 20, 60, 24)
    with pytest.raises(HonteError, match="is 9x9, the match 7x7"):
        book_openings(str(tmp_path), Rules(size=7))
    (tmp_path / "empty").mkdir()
    with pytest.raises(HonteError, match=r"no \*\.sgf file"):
        book_openings(str(tmp_path / "empty"), RULES)


def test_a_book_of_text(tmp_path):
    path = tmp_path / "book.txt"
    path.write_text("# two of three are the same\n\nE5 c3  # remark\nE5 G7\n  E5 C4 pass\n")
    book = book_openings(str(path), RULES)
    assert [opening.name for opening in book] == ["E5 C3", "E5 C4 PASS"]
    assert book[0].moves == (40, 56)


def test_a_book_of_text_may_begin_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "book.txt"
    path.write_text("C3\n", encoding="utf-8-sig")
    assert [opening.name for opening in book_openings(str(path), RULES)] == ["C3"]


def test_the_name_of_an_opening_is_text(tmp_path):
    """As SGF will hold it, whatever bytes the name of its file has."""
    write_sgf(tmp_path / os.fsdecode(b"b\xff.sgf"), SgfGame(size=9, moves=((1, 40),)))
    assert [opening.name for opening in book_openings(str(tmp_path), RULES)] == ["b?"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("E5 J10\n", "line 1: 'J10' is not a vertex of a 9x9 board"),
        ("C3\nE5 E5\n", "line 2: "),
        ("E5 pass pass\n", "line 1: the opening is a finished game"),
        ("# nothing\n", "holds no opening"),
    ],
)
def test_a_broken_book_of_text_is_one_line(tmp_path, text, message):
    path = tmp_path / "book.txt"
    path.write_text(text)
    with pytest.raises(HonteError, match=message):
        book_openings(str(path), RULES)


def test_bytes_are_no_book(tmp_path):
    (tmp_path / "book.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(HonteError, match="not UTF-8 text"):
        book_openings(str(tmp_path / "book.txt"), RULES)


@pytest.mark.parametrize(("name", "size", "count"), [("even-7x7", 7, 40), ("even-9x9", 9, 200)])
def test_the_shipped_books_hold_different_openings(name, size, count):
    book = book_openings(name, Rules(size=size))
    assert len(book) == count
    assert {len(opening.moves) for opening in book} == {2}


@pytest.mark.parametrize(("size", "komi", "held"), [(7, 9.0, 40), (9, 7.0, 200)])
def test_even_openings_come_from_the_book_of_the_board(size, komi, held):
    rules = Rules(size, komi)
    book = {opening.moves for opening in book_openings(f"even-{size}x{size}", rules)}
    ten = even_openings(rules, 2, 10, seed=5)
    assert len({opening.moves for opening in ten}) == 10
    assert {opening.moves for opening in ten} < book
    assert even_openings(rules, 2, 10, seed=5) == ten != even_openings(rules, 2, 10, seed=6)
    more = even_openings(rules, 2, held + 3, seed=5)
    assert {opening.moves for opening in more[:held]} == book
    assert more[held:] == sample_openings(rules, 2, 3, seed=5)


@pytest.mark.parametrize("rules", [Rules(5, 25.0), Rules(9, 6.5), Rules(7, 8.5)], ids=str)
def test_without_a_book_for_board_and_komi_even_openings_are_random(rules):
    assert even_openings(rules, 2, 5, seed=3) == sample_openings(rules, 2, 5, seed=3)


def test_a_book_that_is_not_there_tells_what_is():
    with pytest.raises(HonteError, match=r"no openings called book9: .* one of even-7x7, even-9x9"):
        book_openings("book9", RULES)


def test_unusable_books_and_plies_are_refused(tmp_path):
    write_sgf(tmp_path / "x.sgf", SgfGame(size=9, moves=((1, 40), (1, 41))))
    with pytest.raises(HonteError, match="do not alternate"):
        book_openings(str(tmp_path), RULES)
    with pytest.raises(HonteError, match="-1 moves"):
        sample_openings(RULES, -1, 1, seed=0)
    assert len({o.moves for o in sample_openings(RULES, 0, 3, seed=0)}) == 1
    assert np.size(sample_openings(RULES, 0, 3, seed=0)) == 3

"""Rules in KataGo's words."""

import json

import pytest

from agents.gtp.rules_text import parse_rules, rules_from_value, rules_to_json
from go_env.errors import HonteError
from go_env.rules import Rules

BASE = Rules(size=13, komi=3.5)


@pytest.mark.parametrize(
    ("text", "ko", "suicide"),
    [
        ("tromp-taylor", "positional", True),
        ("Chinese", "simple", False),
        ("chinese-ogs", "positional", False),
        ("aga", "situational", False),
        ("new-zealand", "situational", True),
        ('{"ko":"SIMPLE","suicide":true}', "simple", True),
        ('{"ko":"SITUATIONAL","scoring":"AREA","tax":"NONE"}', "situational", True),
        ("{}", "positional", True),
        ("Tromp_Taylor", "positional", True),
        ("tromptaylor", "positional", True),
        ("chinese_ogs", "positional", False),
        ("chinesekgs", "positional", False),
        ("new zealand", "situational", True),
        ("french", "situational", False),
        ("goe", "positional", True),
    ],
)
def test_parse(text, ko, suicide):
    rules, _, lost = parse_rules(text, BASE)
    assert (rules.ko, rules.suicide, lost) == (ko, suicide, None)
    assert (rules.size, rules.komi) == (13, 3.5)


@pytest.mark.parametrize(
    "text",
    [
        "japanese",
        "korean",
        "Stone Scoring",
        "ancient-area",
        "aga_button",
        '{"scoring":"TERRITORY"}',
        '{"hasButton":true}',
        '{"score":"TERRITORY"}',
    ],
)
def test_what_is_only_approximated_is_said(text):
    _, _, lost = parse_rules(text, BASE)
    assert lost


@pytest.mark.parametrize(
    "text",
    [
        "",
        "go",
        "{",
        "[1]",
        '{"whiteHandicapBonus":"2N"}',
        '{"ko":"EVERY"}',
        '{"suicide":"no"}',
        '{"koo":"SIMPLE"}',
        "7",
    ],
)
def test_nonsense(text):
    with pytest.raises(HonteError):
        parse_rules(text, BASE)


def test_a_bonus_that_is_not_named_stays():
    assert parse_rules('{"ko":"SIMPLE"}', BASE, "N")[1] == "N"
    assert parse_rules('{"whiteHandicapBonus":"0"}', BASE, "N")[1] == "0"
    assert parse_rules("tromp-taylor", BASE, "N")[1] == "0"


def test_values_that_are_no_rules():
    with pytest.raises(HonteError):
        rules_from_value(7, BASE)


def test_json_reads_back():
    for name in ("tromp-taylor", "chinese", "aga"):
        rules, bonus, _ = parse_rules(name, BASE)
        text = rules_to_json(rules, bonus, friendly_pass=False)
        assert parse_rules(text, Rules(size=13, komi=3.5)) == (rules, bonus, None)
        assert json.loads(text)["scoring"] == "AREA"

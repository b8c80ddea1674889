"""Faults planted in the gate, one at a time: the comparison with the oracle must notice each.

Every function of the gate is changed in every place where a small change is possible: a condition
dropped or turned, a limit moved, a union or a difference left out, a member of an enumeration
exchanged, an argument forgotten. What changes no behaviour is named below with the reason.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType, ModuleType

import pytest
from tests.gate import oracle
from tests.gate.histories import TIMED, walks
from tests.gate.worlds import (
    WORLDS,
    Answers,
    capture_times,
    explore,
    gate_says,
    rules_say,
)

from askfirst import gate
from askfirst.events import Event
from askfirst.model import Form, Proof, Role, Use

SOURCE = Path(gate.__file__).read_text(encoding="utf-8")
NOTICED = (AssertionError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
Expected = tuple[bool, list[tuple[Event, tuple[int | None, ...], Answers]]]
ENUMS = {
    **{name: [one.name for one in getattr(gate, name)] for name in ("State", "Because", "Fault")},
    **{kind.__name__: [one.name for one in kind] for kind in (Use, Role, Form, Proof)},
    "Mode": ["AUTO", "ASK", "FORBID"],
}
COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
OPPOSITE = {"any": "all", "all": "any", "min": "max", "max": "min"}


def variants(node: ast.AST) -> Iterator[ast.AST]:
    """Small changes of one node."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        yield ast.Compare(node.left, [COMPARISONS[type(node.ops[0])]()], node.comparators)
    if isinstance(node, ast.BoolOp):
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield ast.BoolOp(other, node.values)
        for index in range(len(node.values)):
            rest = node.values[:index] + node.values[index + 1 :]
            yield ast.BoolOp(node.op, rest) if len(rest) > 1 else rest[0]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield node.operand
    if isinstance(node, ast.BinOp):
        yield node.left
        yield node.right
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield ast.Constant(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        yield ast.Constant(node.value + 1)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        name = node.func.id
        if name == "_untold":
            yield node.args[0]
        if name in OPPOSITE:
            yield ast.Call(ast.Name(OPPOSITE[name], ast.Load()), node.args, node.keywords)
        if name == "replace":
            for left_out in node.keywords:
                kept = [one for one in node.keywords if one is not left_out]
                yield ast.Call(node.func, node.args, kept)
    if isinstance(node, ast.If):
        yield ast.If(ast.Constant(False), node.body, node.orelse)
        yield ast.If(ast.Constant(True), node.body, node.orelse)
    if isinstance(node, ast.comprehension) and node.ifs:
        yield ast.comprehension(node.target, node.iter, [], 0)
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        members = ENUMS.get(node.value.id, [])
        if node.attr in members:
            following = members[(members.index(node.attr) + 1) % len(members)]
            yield ast.Attribute(node.value, following, ast.Load())


def slots(tree: ast.Module) -> Iterator[tuple[str, ast.AST, str, int | None]]:
    """Where a node hangs, for every node of the functions, the facts and the constants."""
    for top in tree.body:
        name = getattr(top, "name", "constant")
        if isinstance(top, ast.Import | ast.ImportFrom | ast.Expr):
            continue
        if isinstance(top, ast.ClassDef) and name != "Facts":
            continue
        if ast.unparse(top).startswith("__all__"):
            continue
        waiting: list[tuple[str, ast.AST]] = [(name, top)]
        while waiting:
            where, node = waiting.pop(0)
            if isinstance(node, ast.FunctionDef):
                where = node.name
            if isinstance(node, ast.AnnAssign) and name == "Facts":
                continue
            for field, value in ast.iter_fields(node):
                if field in ("annotation", "returns", "decorator_list"):
                    continue
                for index, item in enumerate(value if isinstance(value, list) else [value]):
                    if isinstance(item, ast.AST):
                        yield where, node, field, index if isinstance(value, list) else None
                        waiting.append((where, item))


def mutants() -> Iterator[tuple[str, ModuleType | None]]:
    """Each faulty gate with the name of its fault; the source tree is mended after each."""
    tree = ast.parse(SOURCE)
    names: dict[str, int] = {}
    for where, node, field, index in list(slots(tree)):
        holder = getattr(node, field)
        item = holder if index is None else holder[index]
        for variant in variants(item):
            label = f"{where}: {short(item)} -> {short(variant)}"
            names[label] = names.get(label, 0) + 1
            if names[label] > 1:
                label = f"{label} #{names[label]}"
            put(node, field, index, variant)
            code = compile(ast.fix_missing_locations(tree), "faulty_gate", "exec")
            put(node, field, index, item)
            yield label, loaded(code)


def put(node: ast.AST, field: str, index: int | None, item: ast.AST) -> None:
    """Hang a node in a place."""
    if index is None:
        setattr(node, field, item)
    else:
        getattr(node, field)[index] = item


def short(node: ast.AST) -> str:
    """A node on one line; of a compound statement, only what stands before the colon."""
    text = f"if {ast.unparse(node.test)}" if isinstance(node, ast.If) else ast.unparse(node)
    return " ".join(text.split())


def loaded(code: CodeType) -> ModuleType | None:
    """A faulty gate as a module under another name; None when it cannot even be loaded."""
    module = ModuleType("faulty_gate")
    sys.modules["faulty_gate"] = module
    try:
        exec(code, module.__dict__)  # noqa: S102 - our own source with one fault planted
    except NOTICED:
        return None
    finally:
        del sys.modules["faulty_gate"]
    return module


def told_once(history: Sequence[Event], separate_legs: bool) -> Expected:
    """A history with what the rules say after each report, worked out once for all faults."""
    world = oracle.World(separate_legs=separate_legs, hears_answers=True)
    steps = []
    for event in history:
        world = oracle.tell(world, event)
        times = (*capture_times(world), 1_000, 6_000)
        steps.append((event, times, rules_say(world, times)))
    return separate_legs, steps


def follows(faulty: ModuleType, expected: Expected) -> bool:
    """Whether a gate says after each report what the rules say."""
    separate_legs, steps = expected
    facts = faulty.Facts(separate_legs=separate_legs, hears_answers=True)
    for event, times, answers in steps:
        facts = faulty.after(facts, event)
        if gate_says(facts, times) != answers:
            return False
    return True


def is_noticed(faulty: ModuleType | None, fixed: list[Expected]) -> bool:
    """Whether the comparison tells a faulty gate from the rules; what noticed last is tried first.

    What passes all fixed histories has to pass a bounded world, walked to its end, as well.
    """
    if faulty is None:
        return True
    try:
        for index, expected in enumerate(fixed):
            if not follows(faulty, expected):
                fixed.insert(0, fixed.pop(index))
                return True
        explore(faulty, WORLDS[0], at_most=1_000)
    except NOTICED:
        fixed.insert(0, fixed.pop(index))
        return True
    return False


EQUIVALENT = {
    "constant: 1 -> 2": "still later than any capture time",
    "constant: 62 -> 63": "still later than any capture time",
    "after: changed.telling is not None and (not changed.unmet()) -> not changed.unmet()": (
        "no notice becomes no notice"
    ),
    "after: replace(changed, now_ms=now_ms, opened_ms=opened_ms)"
    " -> replace(changed, opened_ms=opened_ms)": "the time was set before the event was applied",
    "_applied: _untold(replace(facts, parties=_joined(facts, event), decision=None))"
    " -> replace(facts, parties=_joined(facts, event), decision=None)": (
        "without a decision nothing is owed, and the decision that must follow ends it too"
    ),
    "_applied: _untold(replace(facts, is_private=True)) -> replace(facts, is_private=True)": (
        "a private call stays blocked, whatever was being told"
    ),
    "_covers: True -> False #2": "the lengths were compared two lines above",
    "_permits: state is State.TELLING and facts.telling is not None and facts.separate_legs"
    " -> facts.telling is not None and facts.separate_legs": (
        "whatever leads out of TELLING ends the notice"
    ),
    "_permits: state is State.TELLING and facts.telling is not None and facts.separate_legs"
    " -> state is State.TELLING and facts.separate_legs": (
        "TELLING has a notice; said for the types"
    ),
    "_permits: state is State.ASKING and _may_listen(facts) and (facts.told_ms is not None)"
    " -> _may_listen(facts) and facts.told_ms is not None": (
        "outside ASKING nobody owes, or what led out of it ended the wait"
    ),
    "_may_listen: facts.hears_answers and facts.separate_legs and (facts.decision is not None)"
    " and facts.decision.spoken_answer and (not facts.holds) -> facts.hears_answers"
    " and facts.separate_legs and facts.decision.spoken_answer and (not facts.holds)": (
        "asked only in ASKING, which has a decision; said for the types"
    ),
    "_may_listen: facts.hears_answers and facts.separate_legs and (facts.decision is not None)"
    " and facts.decision.spoken_answer and (not facts.holds) -> facts.hears_answers"
    " and facts.separate_legs and (facts.decision is not None) and facts.decision.spoken_answer": (
        "a pause ends the wait for an answer, and no notice begins in a pause"
    ),
}
"""Faults that change nothing that anybody can see, each with the reason."""


@pytest.mark.slow
def test_every_planted_fault_that_changes_behaviour_is_noticed() -> None:
    histories = (*TIMED.values(), *walks(27, 20))
    fixed = [told_once(history, apart) for apart in (True, False) for history in histories]
    assert all(follows(gate, expected) for expected in fixed)
    planted = [(name, is_noticed(faulty, fixed)) for name, faulty in mutants()]
    assert len(planted) >= 380
    assert {name for name, noticed in planted if not noticed} == set(EQUIVALENT)

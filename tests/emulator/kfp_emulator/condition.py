"""Conditions of tasks: the part of CEL that compilers of pipelines write (backend/src/v2/expression/expression.go)."""

import ast
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

_COMPARE: dict[type, Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


class ConditionError(ValueError):
    """A condition that CEL would not compile or evaluate; the driver's pod fails."""


def holds(condition: str, executor_input: Mapping[str, Any]) -> bool:
    """Whether a task is triggered.

    Args:
        condition: Over the fields of ExecutorInput.
        executor_input: With its inputs alone, as the driver has it when it asks.
    """
    # Quoted text must keep its signs.
    parts = re.split(r"('[^']*'|\"[^\"]*\")", condition)
    parts[::2] = [re.sub(r"!(?!=)", " not ", p.replace("&&", " and ").replace("||", " or ")) for p in parts[::2]]
    try:
        result = _value(ast.parse("".join(parts).strip(), mode="eval").body, executor_input)
    except (SyntaxError, KeyError, IndexError, TypeError) as error:
        raise ConditionError(f"evaluation error: {condition}: {type(error).__name__} {error}") from error
    if not isinstance(result, bool):
        raise ConditionError(f"evaluation error: return type is not bool, got {result}")
    return result


def _value(node: ast.expr, fields: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return fields[name]
        case ast.Attribute(value=inner, attr=name):
            return _value(inner, fields)[name]
        case ast.Subscript(value=inner, slice=key):
            return _value(inner, fields)[_value(key, fields)]
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            return not _value(inner, fields)
        case ast.BoolOp(op=op, values=values):
            found = (_value(item, fields) for item in values)
            return all(found) if isinstance(op, ast.And) else any(found)
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            a, b = _value(left, fields), _value(right, fields)
            if isinstance(a, str) != isinstance(b, str):
                raise TypeError(f"no such overload: {a!r} and {b!r}")
            return _COMPARE[type(op)](a, b)
    raise SyntaxError(f"{ast.unparse(node)} is not emulated")

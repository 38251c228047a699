"""Compares what a program printed with what a case expects. Every function returns None, or what differs as text."""

import difflib
import json
import math
import re

ID_PATTERN = "[0-9a-hjkmnp-tv-z]{31,37}"  # a document id in Convex's format
PLACEHOLDERS = {"<id>": ID_PATTERN, "<time>": r"\d{13}(?:\.\d+)?", "<int>": r"-?\d+",
                "<number>": r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?", "<any>": ".*", "...": ".*"}


def text(expected_lines, actual):
    """Line by line: literal with placeholders, `~ REGEX`, or `...` for any number of lines."""
    pattern = "".join(_line_pattern(line) for line in expected_lines)
    complete = actual if actual.endswith("\n") or not actual else actual + "\n"
    if re.fullmatch(pattern, complete, re.MULTILINE):
        return None
    actual_lines = actual.splitlines()
    return _diff([_as_met(line, actual_lines) for line in expected_lines], actual_lines)


def contains(expected_lines, actual):
    """Each line occurs somewhere: literal with placeholders, or `~ REGEX`. `! ` before it: occurs nowhere."""
    faults = []
    for line in filter(None, expected_lines):
        unwanted = line.startswith("! ")
        wanted = line[2:] if unwanted else line
        pattern = wanted[2:] if wanted.startswith("~ ") else _literal_pattern(wanted)
        if bool(re.search(pattern, actual, re.MULTILINE)) == unwanted:
            faults.append(f"{'must not contain' if unwanted else 'must contain'}: {wanted}")
    return "\n".join(faults + ["the output was:", _indent(actual)]) if faults else None


def json_values(expected_text, actual_text, ordered=False):
    """Both are streams of JSON values. Integer and float differ, and so do 0.0 and -0.0."""
    try:
        actual = parse_stream(actual_text)
    except ValueError as error:
        return f"the output is not JSON: {error}\n{_indent(actual_text)}"
    return values(parse_stream(expected_text), actual, ordered)


def documents(expected, actual, ordered=False):
    """As json_values, leaving out system fields where the expected document does not name them."""
    for index, document in enumerate(actual[:len(expected)]):
        for name in ("_id", "_creationTime"):
            if name not in expected[index]:
                document.pop(name, None)
    return values(expected, actual, ordered)


def values(expected, actual, ordered=False):
    fault = None
    for index, (want, got) in enumerate(zip(expected, actual)):
        fault = fault or _value_fault(want, got, f"[{index}]", ordered)
    if not fault and len(expected) != len(actual):
        fault = f"expected {len(expected)} values, got {len(actual)}"
    if not fault:
        return None
    render = [[json.dumps(value, ensure_ascii=False, sort_keys=not ordered) for value in side]
              for side in (expected, actual)]
    return f"{fault}\n{_diff(*render)}"


def parse_stream(source):
    """All JSON values in a text, one after the other."""
    decoder = json.JSONDecoder(parse_constant=_refuse_constant)
    found, position = [], 0
    while True:
        position = re.compile(r"\s*").match(source, position).end()
        if position == len(source):
            return found
        value, position = decoder.raw_decode(source, position)
        found.append(value)


def _refuse_constant(name):
    raise ValueError(f"{name} is not JSON")


def _line_pattern(line):
    if line == "...":
        return r"(?:.*\n)*?"
    if line.startswith("~ "):
        return f"(?=.*?(?:{line[2:]})).*\n"
    return _literal_pattern(line) + "\n"


def _as_met(line, actual_lines):
    """The first line that an expected line stands for, so that a diff shows real differences only."""
    if line == "...":
        return line
    return next((other for other in actual_lines if re.fullmatch(_line_pattern(line), other + "\n")), line)


def _literal_pattern(line):
    line = line[1:] if line.startswith(("\\~", "\\!")) else line
    parts = re.split("(" + "|".join(map(re.escape, PLACEHOLDERS)) + ")", line)
    return "".join(PLACEHOLDERS.get(part) or re.escape(part) for part in parts)


def _value_fault(want, got, path, ordered):
    if isinstance(want, str) and re.fullmatch("<[a-z]+>", want):
        return None if _placeholder_admits(want, got) else f"at {path}: expected {want}, got {_show(got)}"
    if isinstance(want, dict) and isinstance(got, dict):
        open_ended = "..." in want
        names = [name for name in want if name != "..."]
        missing = [name for name in names if name not in got]
        extra = [name for name in got if name not in want]
        if missing or (extra and not open_ended):
            return f"at {path}: missing fields {missing}, unexpected fields {[] if open_ended else extra}"
        if ordered and names != list(got):
            return f"at {path}: expected the order {names}, got {list(got)}"
        pairs = [(want[name], got[name], f"{path}/{name}") for name in names]
    elif isinstance(want, list) and isinstance(got, list):
        if len(want) != len(got):
            return f"at {path}: expected {len(want)} elements, got {len(got)}"
        pairs = [(one, other, f"{path}/{index}") for index, (one, other) in enumerate(zip(want, got))]
    else:
        same = type(want) is type(got) and want == got
        if same and isinstance(want, float):
            same = math.copysign(1, want) == math.copysign(1, got)
        return None if same else f"at {path}: expected {_show(want)}, got {_show(got)}"
    return next(filter(None, (_value_fault(*pair, ordered) for pair in pairs)), None)


def _placeholder_admits(placeholder, value):
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return {
        "<any>": True,
        "<id>": isinstance(value, str) and bool(re.fullmatch(ID_PATTERN, value)),
        "<time>": number and 1.5e12 < value < 1e13,
        "<int>": number and isinstance(value, int),
        "<number>": number,
        "<string>": isinstance(value, str),
    }.get(placeholder, placeholder == value)


def _show(value):
    kind = {dict: "object", list: "array", str: "string", int: "integer", float: "float", bool: "boolean"}
    return f"{json.dumps(value, ensure_ascii=False)} ({kind.get(type(value), 'null')})"


def _diff(expected_lines, actual_lines):
    lines = list(difflib.unified_diff(expected_lines, actual_lines, "expected", "actual", n=3, lineterm=""))
    return "\n".join(lines[:200])


def _indent(block):
    return "\n".join("    " + line for line in block.splitlines()[:60])

#!/usr/bin/env python3
"""Checks that an export holds every value of the file it was imported from, as SPEC 2 maps them.

The mapping is written down here a second time, on purpose. Prints the first difference and exits 1."""

import argparse
import calendar
import pathlib
import re
import sys
import time

sys.dont_write_bytecode = True
from harness import match  # noqa: E402

FORMS = {
    "$oid": str,
    "$numberInt": int,
    "$numberLong": int,
    "$numberDouble": float,
    "$numberDecimal": str,
    "$date": lambda value: milliseconds(value) if isinstance(value, str) else mapped(value),
}


def mapped(value):
    if isinstance(value, list):
        return [mapped(element) for element in value]
    if isinstance(value, dict):
        if len(value) == 1 and (form := next(iter(value))) in FORMS:
            return FORMS[form](value[form])
        return {name: mapped(field) for name, field in value.items()}
    return value


def milliseconds(iso):
    seconds, fraction = re.fullmatch(r"(.{19})(?:\.(\d{3}))?Z", iso).groups()
    return calendar.timegm(time.strptime(seconds, "%Y-%m-%dT%H:%M:%S")) * 1000 + int(fraction or 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("exported", type=pathlib.Path)
    parser.add_argument("--except", dest="ignored", default="", help="fields that are not compared, comma-separated")
    options = parser.parse_args()
    source = match.parse_stream(options.source.read_text(encoding="utf-8"))
    exported = match.parse_stream(options.exported.read_text(encoding="utf-8"))
    expected = [mapped(document) for document in (source[0] if isinstance(source[0], list) else source)]
    for document in expected + exported:
        for name in filter(None, options.ignored.split(",")):
            document.pop(name, None)
    fault = match.documents(expected, exported)
    if fault:
        sys.exit(fault)


if __name__ == "__main__":
    main()

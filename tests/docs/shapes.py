"""Whether an answer has the shape of the one that a page shows."""

import json
import re

NUMBER = r"[-+]?[0-9][-+.0-9eE]*"
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z")


def _kind(value):
    if isinstance(value, bool):
        return "a boolean"
    if value is None:
        return "null"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        if TIME.fullmatch(value):
            return "a time"
        if re.fullmatch(r"[0-9.]+s", value):
            return "a duration"
        if re.fullmatch(r"[0-9]+", value):
            return "a whole number, quoted"
        # An enum's value is part of the shape.
        is_enum = re.fullmatch(r"[A-Z]+(_[A-Z]+)+|[A-Z]{4,}", value)
        return value if is_enum else "a text"
    return type(value).__name__


def differences(shown, seen, where="the answer"):
    """What keeps `seen` from having the shape of `shown`; none: an empty list.

    Objects have the same fields. Of lists each element looks like one that is shown. "..." as a
    last element of a list, or as a field, says that more may come.
    """
    if isinstance(shown, dict) and isinstance(seen, dict):
        open_ended = "..." in shown
        found = []
        for key in sorted(set(shown) | set(seen)):
            if key == "...":
                continue
            if key not in seen:
                found.append(f"{where}.{key} is shown, but not there")
            elif key in shown:
                found += differences(shown[key], seen[key], f"{where}.{key}")
            elif not open_ended:
                text = json.dumps(seen[key])[:100]
                found.append(f"{where}.{key} is there, but not shown: {text}")
        return found
    if isinstance(shown, list) and isinstance(seen, list):
        like = [element for element in shown if element != "..."]
        if bool(like) != bool(seen):
            return [f"{where} has {len(seen)} elements, and {len(like)} are shown"]
        found = []
        for i, element in enumerate(seen):
            tries = [differences(one, element, f"{where}[{i}]") for one in like]
            found += min(tries, key=len)
        return found
    if _kind(shown) != _kind(seen):
        return [f"{where} is {json.dumps(seen)[:100]}, and {json.dumps(shown)[:100]} is shown"]
    return []


def json_values(text):
    """The JSON values of a text that holds nothing else, or None."""
    decoder, values, at = json.JSONDecoder(), [], 0
    text = text.strip()
    while at < len(text):
        try:
            value, at = decoder.raw_decode(text, at)
        except ValueError:
            return None
        values.append(value)
        at += len(text[at:]) - len(text[at:].lstrip())
    return values


def _pattern(line):
    """A shown line as a regular expression: any number for a number, any text for "..."."""
    parts = []
    for token in re.findall(rf"\.\.\.|{NUMBER}|\s+|[^\s0-9.+-]+|.", line.strip()):
        if token == "...":
            parts.append(".*")
        elif re.fullmatch(NUMBER, token):
            parts.append(NUMBER)
        elif token.isspace():
            parts.append(r"\s+")
        else:
            parts.append(re.escape(token))
    return re.compile(r"\s*" + "".join(parts) + r"\s*")


def missing_lines(shown, seen):
    """The shown lines that do not occur in what was seen, in their order, whatever the numbers."""
    rest = iter(seen.split("\n"))
    missing = []
    for line in shown.split("\n"):
        if line.strip() in ("", "..."):
            continue
        pattern = _pattern(line)
        if not any(pattern.fullmatch(other) for other in rest):
            missing.append(line)
            rest = iter(seen.split("\n"))
    return missing


def compare(shown, seen):
    """What is wrong with a shown output, as a list of sentences."""
    if not shown.strip():
        return []
    shown_values = json_values(shown)
    if shown_values and isinstance(shown_values[0], (dict, list)):
        seen_values = json_values(seen)
        if seen_values is None:
            return [f"JSON is shown, but this came: {seen[:500]}"]
        return differences(shown_values, seen_values)
    return [f"this line is shown, but did not come: {line!r}"
            for line in missing_lines(shown, seen)]

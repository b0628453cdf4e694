"""Reads docs: their blocks of commands and of JSON, the directives above them, links and headings.

A block is fenced (```sh, ```console, ```json, ...) or indented by four spaces. What to do with one
stands above it, in comments that a reader does not see; page_test.py has all of them.
"""

import dataclasses
import pathlib
import re

# An indented block that begins with one of these, comments left aside, is commands.
PROGRAMS = ("halving", "halving-server", "halving-worker", "halving-trainer", "halving_simulate",
            "grpcurl", "scripts/", "cmake", "ctest", "build/", "bench/", "python3", "jq", "curl",
            "promtool", "export ", "echo ", "source ")
DIRECTIVE = re.compile(r"<!--\s*test:\s*(.*?)\s*-->", re.DOTALL)
FENCE = re.compile(r"(`{3,})\s*([A-Za-z]*)\s*$")


@dataclasses.dataclass
class Block:
    line: int  # Of its first line in the page, from 1.
    kind: str  # sh, console, json, bash or other.
    text: str
    directives: list  # [(name, value)], in order.

    def all(self, name):
        return [value for key, value in self.directives if key == name]

    def one(self, name):
        found = self.all(name)
        return found[-1] if found else None


def _directive(text):
    """`skip WHY`, `exit=1`, `expect=TEXT`: the name and the rest."""
    found = re.match(r"([a-z]+)(?:=|\s+|$)(.*)", text, re.DOTALL)
    if found is None:
        raise ValueError(f"cannot read the directive {text!r}")
    return found[1], found[2].strip()


def _indented_kind(text):
    lines = [line.strip() for line in text.split("\n")]
    first = next((line for line in lines if line and not line.startswith("#")), "")
    for program in PROGRAMS:
        if first.startswith(program if program[-1] in "/ " else program + " ") or first == program:
            return "sh"
    return "json" if first[:1] in "{[\"" else "other"


def _indented(lines, start):
    """The block of lines that begin with four spaces; where it ends."""
    end = start
    while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
        end += 1
    while not lines[end - 1].strip():
        end -= 1
    text = "\n".join(line[4:] for line in lines[start:end])
    return _indented_kind(text), text, end


def _fenced(lines, start, mark):
    end = start + 1
    while not lines[end].startswith(mark):
        end += 1
    return "\n".join(lines[start + 1:end]), end + 1


def blocks(path):
    """All blocks of a page, in order."""
    lines = pathlib.Path(path).read_text(encoding="utf-8").split("\n")
    found, waiting, at = [], [], 0
    while at < len(lines):
        line = lines[at]
        if line.startswith("<!--"):
            start = at
            while "-->" not in lines[at]:
                at += 1
            at += 1
            waiting += [_directive(text) for text in DIRECTIVE.findall("\n".join(lines[start:at]))]
            continue
        fence = FENCE.match(line)
        starts_indented = line.startswith("    ") and (at == 0 or not lines[at - 1].strip()
                                                       or lines[at - 1].startswith("<!--"))
        if fence:
            text, end = _fenced(lines, at, fence[1])
            kind = fence[2] if fence[2] in ("sh", "console", "json", "bash") else "other"
        elif starts_indented:
            kind, text, end = _indented(lines, at)
        else:
            if line.strip() and waiting:
                raise ValueError(f"{path}:{at + 1}: a directive stands above no block: {waiting}")
            at += 1
            continue
        found.append(Block(at + (2 if fence else 1), kind, text, waiting))
        waiting, at = [], end
    return found


def _prose(path):
    """The page without what stands in blocks and code."""
    text = pathlib.Path(path).read_text(encoding="utf-8")
    text = re.sub(r"^(`{3,}).*?^\1", "", text, flags=re.DOTALL | re.MULTILINE)
    return "\n".join(line for line in text.split("\n") if not line.startswith("    "))


def anchors(path):
    """What GitHub makes of the headings."""
    seen = {}
    for heading in re.findall(r"^#+\s+(.*?)\s*$", _prose(path), flags=re.MULTILINE):
        heading = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        seen[slug] = seen.get(slug, 0) + 1
        yield slug if seen[slug] == 1 else f"{slug}-{seen[slug] - 1}"


def links(path):
    """The targets of all links that lead into the repository."""
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", _prose(path))):
        if not re.match(r"[a-z]+:", target):
            yield target

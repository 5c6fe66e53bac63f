#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reads the source and holds it to CONTRIBUTING.md. One TAP test a rule; a failed rule
lists each place as `file:line: what`. `lint.py --figures` prints the sizes it measured."""
import os
import re
import statistics
import sys

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))

# What a folder's files may include, and the outside libraries that are its own.
ALLOWED = {
    "base": {"base"},
    "model": {"model", "base"},
    "storage": {"storage", "base"},
    "server": {"server", "storage", "model", "base"},
    "api": {"api", "server", "storage", "model", "base"},
}
LIBRARIES = {
    "microhttpd.h": "api", "jansson.h": "api", "yaml.h": "api", "zlib.h": "api",
    "zstd.h": "api", "sqlite3.h": "storage", "sodium.h": "storage", "cblas.h": "model",
    "systemd/sd-daemon.h": "server",
}
BANNED = ["strcpy", "strcat", "sprintf", "vsprintf", "strtok", "atoi", "atof", "gets",
          "alloca", "system", "popen", "rand", "srand", "asctime", "ctime", "localtime"]
FATAL = ["printf", "puts", "putchar", "perror", "exit", "_exit", "abort"]
# Where ending or printing is the purpose.
FATAL_ALLOWED = re.compile(
    r"^(server/main\.c|server/trainer[a-z_]*\.c|api/cli/?[a-z_]*\.[ch]|base/lock\.c)$")
LIMITS = {"function": 60, "kernel": 80, "file": 600, "header": 120, "line": 90}
GENERATED = {"api/openapi_data.c", "storage/schema/embedded.c"}  # made by the build
HEADER_EXEMPT = {"storage/store.h"}  # the door of a whole engine: one table, kept together


def source_files():
    for folder in ALLOWED:
        for root, directories, files in os.walk(os.path.join(ROOT, folder)):
            directories.sort()
            for name in sorted(files):
                path = os.path.relpath(os.path.join(root, name), ROOT)
                if name.endswith((".c", ".h")) and path not in GENERATED:
                    yield path


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def without_comments(text):
    """The code with comments and literals blanked, line breaks kept."""
    pattern = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.S)
    return pattern.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def functions(code):
    """(name, first line, length, head) of each definition: `{` in column one after `)`."""
    lines = code.split("\n")
    opened = None
    for number, line in enumerate(lines):
        if line.startswith("{") and opened is None:
            head = number - 1
            while head > 0 and not re.match(r"[A-Za-z_]", lines[head]):
                head -= 1
            joined = " ".join(lines[max(0, head - 1):number])
            name = re.search(r"(\w+)\s*\(", " ".join(lines[head:number]))
            if name and joined.rstrip().endswith(")"):
                opened = (name[1], head, joined)
        elif line.startswith("}") and opened:
            yield opened[0], opened[1] + 1, number - opened[1] + 1, opened[2]
            opened = None


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def check_layers(files):
    for path in files:
        folder = path.split("/")[0]
        for number, line in enumerate(read(path).split("\n"), 1):
            match = re.match(r'\s*#\s*include\s*"([^"]+)"', line)
            if not match or match[1] == "config.h":
                continue
            other = match[1].split("/")[0]
            if path == "server/main.c" and other == "api":
                continue
            if "/" not in match[1]:
                yield f"{path}:{number}: include \"{match[1]}\" by its path from the root"
            elif other not in ALLOWED[folder]:
                yield f"{path}:{number}: {folder}/ may not include {match[1]}"


def check_libraries(files):
    for path in files:
        folder = path.split("/")[0]
        for number, line in enumerate(read(path).split("\n"), 1):
            match = re.match(r"\s*#\s*include\s*<([^>]+)>", line)
            if not match:
                continue
            owner = LIBRARIES.get(match[1])
            if match[1].startswith("uni") and match[1] != "unistd.h":
                owner = "model"
            if owner and owner != folder:
                yield f"{path}:{number}: <{match[1]}> belongs to {owner}/ alone"


def check_calls(files):
    for path in files:
        code = without_comments(read(path))
        fatal = [] if FATAL_ALLOWED.match(path) else FATAL
        for name in BANNED + fatal:
            for match in re.finditer(rf"(?<![\w.>]){name}\s*\(", code):
                yield f"{path}:{line_of(code, match.start())}: {name}() is not used here"


def check_heads(files):
    for path in files:
        text = read(path)
        if not text.startswith("/* SPDX-License-Identifier: MIT */\n"):
            yield f"{path}:1: the licence line is missing"
        elif not text.split("\n")[1].startswith("/*"):
            yield f"{path}:2: the opening comment is missing"


def check_sizes(files):
    for path in files:
        text = read(path)
        lines = text.rstrip("\n").split("\n")
        most = LIMITS["header" if path.endswith(".h") else "file"]
        if len(lines) > most and path not in HEADER_EXEMPT and not path.endswith("_table.h"):
            yield f"{path}:1: {len(lines)} lines, at most {most}"
        for number, line in enumerate(lines, 1):
            if len(line) > LIMITS["line"] and "X(" not in line and "#define" not in line:
                yield f"{path}:{number}: {len(line)} columns, at most {LIMITS['line']}"
        for name, number, length, _ in functions(without_comments(text)):
            limit = LIMITS["kernel" if "kernel" in name + path else "function"]
            if length > limit:
                yield f"{path}:{number}: {name}() has {length} lines, at most {limit}"


def check_file_maps(files):
    for path in files:
        folder, name = os.path.split(path)
        stem = name.rsplit(".", 1)[0]
        readme = folder
        while readme and not os.path.exists(os.path.join(ROOT, readme, "README.md")):
            readme = os.path.dirname(readme)
        if not readme:
            yield f"{path}: no README.md above it"
        elif not re.search(rf"`(?:[\w/]*/)?{re.escape(stem)}(?:\.[ch])?`",
                           read(readme + "/README.md")):
            yield f"{readme}/README.md: the file map does not name {stem}"


def check_exports(files):
    headers = {}
    for path in files:
        if path.endswith(".h"):
            folder = path.split("/")[0]
            headers[folder] = headers.get(folder, "") + read(path)
    for path in files:
        if not path.endswith(".c"):
            continue
        for name, number, _, head in functions(without_comments(read(path))):
            if re.search(r"\bstatic\b", head) or name == "main" or name.isupper():
                continue
            if not re.search(rf"\b{name}\(", headers[path.split("/")[0]]):
                yield f"{path}:{number}: {name}() is exported but declared in no header"


def variables(code):
    """Name and line of each variable that a file defines for others."""
    for match in re.finditer(r"^(?!static\b|extern\b|typedef\b)[A-Za-z_][\w *]*?\b(\w+)"
                             r"(?:\[[^\]]*\])*\s*(?:=[^=]|;)", code, re.M):
        yield match[1], line_of(code, match.start())


def check_twice(files):
    """The linker takes the first of two and says nothing where libraries are archives."""
    seen = {}
    for path in files:
        if not path.endswith(".c"):
            continue
        code = without_comments(read(path))
        named = [(name, number) for name, number, _, head in functions(code)
                 if not re.search(r"\bstatic\b", head) and not name.isupper()]
        for name, number in named + list(variables(code)):
            if name in seen:
                yield f"{path}:{number}: {name} is also defined in {seen[name]}"
            seen.setdefault(name, f"{path}:{number}")


RULES = [
    ("folders include only what stands below them", check_layers),
    ("each outside library stays in its folder", check_libraries),
    ("no banned call, no printing or ending in library folders", check_calls),
    ("every file opens with its licence and its purpose", check_heads),
    ("functions, files, headers and lines keep their limits", check_sizes),
    ("every file is in its folder's map", check_file_maps),
    ("exported functions are declared in a header", check_exports),
    ("no two functions or variables outside static have one name", check_twice),
]


def figures(files):
    lengths = sorted(length for path in files
                     for _, _, length, _ in functions(without_comments(read(path))))
    print(f"functions {len(lengths)}, median {statistics.median(lengths)}, "
          f"p90 {lengths[len(lengths) * 9 // 10]}, longest {lengths[-1]}, "
          f"over 60: {sum(length > 60 for length in lengths)}")
    sizes = sorted((read(path).count("\n"), path) for path in files)
    print(f"files {len(sizes)}, lines {sum(size for size, _ in sizes)}, "
          f"longest {sizes[-1][1]} ({sizes[-1][0]})")


def main():
    files = list(source_files())
    if "--figures" in sys.argv:
        figures(files)
        return 0
    failed = 0
    print(f"1..{len(RULES)}")
    for number, (text, rule) in enumerate(RULES, 1):
        places = list(rule(files))
        failed += bool(places)
        print(f"{'not ok' if places else 'ok'} {number} - {text}")
        for place in places:
            print(place, file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

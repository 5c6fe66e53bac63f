#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Renders manual pages to plain text, one paragraph a line, for the demo's corpus.

usage: manpages.py FOLDER OUTPUT

FOLDER is searched for *.gz pages below a man* folder. Pages that only refer to another one
are left out, so nothing is learned twice. mandoc renders one page a call: given several, its
version 1.14.6 loses most of the text of the later ones.
"""
import concurrent.futures
import gzip
import os
import re
import subprocess
import sys

OVERSTRIKE = re.compile(".\b")
WIDTH = 900  # columns; a longer paragraph is wrapped by mandoc and joined again here


def pages(folder):
    found = []
    for root, _, files in os.walk(folder):
        if not re.fullmatch(r"man[1-9]", os.path.basename(root)):
            continue
        for name in files:
            path = os.path.join(root, name)
            if name.endswith(".gz") and not os.path.islink(path):
                found.append(path)
    return sorted(found)


def is_reference(path):
    with gzip.open(path, "rt", encoding="utf-8", errors="replace") as page:
        return page.readline().startswith(".so ")


def render(path):
    done = subprocess.run(["mandoc", "-T", "utf8", "-O", f"width={WIDTH}", path],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return paragraphs(OVERSTRIKE.sub("", done.stdout.decode("utf-8", "replace")))


def unwrapped(lines):
    whole = ""
    for line in lines:
        whole = f"{whole} {line.strip()}" if whole else line.rstrip()
        if len(line) < WIDTH * 9 // 10:
            yield whole
            whole = ""


def paragraphs(text):
    """Prose lines only: synopsis code, tables and page heads have few plain words."""
    kept = []
    for line in unwrapped(text.splitlines()):
        words = line.split()
        plain = [word for word in words if re.fullmatch(r"[A-Za-z]+[.,;:)]?", word)]
        if (len(words) >= 4 and not words[0].isdigit() and len(plain) * 2 >= len(words)
                and "  " * 8 not in line.strip()):
            kept.append(" ".join(words))
    return kept


def main():
    folder, output = sys.argv[1:3]
    wanted = [path for path in pages(folder) if not is_reference(path)]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as executor:
        rendered = list(executor.map(render, wanted))
    with open(output, "w", encoding="utf-8") as text:
        for page in rendered:
            text.writelines(line + "\n" for line in page)
    print(f"{len(wanted)} pages rendered to {output}")


if __name__ == "__main__":
    main()

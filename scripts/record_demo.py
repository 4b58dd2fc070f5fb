"""Records `make demo` and draws the recording: docs/images/demo.cast (asciicast v2) and docs/images/demo.svg.

    python scripts/record_demo.py            records a run of the demo, then draws it
    python scripts/record_demo.py --draw     draws the recording that is there

What is drawn is what the command has written, at the times at which it did; only waits are shortened, and what comes
after the answers is left out.
"""

from __future__ import annotations

import fcntl
import html
import itertools
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CAST = ROOT / "docs" / "images" / "demo.cast"
SVG = ROOT / "docs" / "images" / "demo.svg"
COMMAND = ("make", "--no-print-directory", "demo", "ARGS=--once")
COLUMNS, ROWS = 104, 30
LEFT_OUT = ("curl", "stopping")
"""The line from which on nothing is drawn, by what it says: lines for copying, or the end."""
LONGEST_WAIT = 0.8
"""Seconds to which a longer wait between two lines is shortened."""
HOLD = 9.0
"""Seconds for which the last screen stands before the picture begins again."""
TYPING = 1.2
"""Seconds between the command and its first line."""

_CELL, _LINE, _MARGIN, _BAR = 8.0, 18, 16, 32
_CONTROL = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])|\r|\n|\x1b[^\[]")
_COLOURS = {31: "red", 32: "green", 33: "yellow", 34: "blue", 35: "magenta", 36: "cyan"}
_STYLE = """
text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#d5d9e0;white-space:pre}
.bold{font-weight:700;fill:#fff}.dim{fill:#8b93a1}.red{fill:#f07178}.green{fill:#a5d977}.yellow{fill:#e8c06a}
.blue{fill:#7fb3f5}.magenta{fill:#cf9ef0}.cyan{fill:#77d0d8}
@media (prefers-reduced-motion:reduce){*{animation:none!important}}
"""

Style = tuple[str, ...]


@dataclass
class Line:
    """A line of the terminal: its cells, and when the last of them was written."""

    cells: list[tuple[str, Style]] = field(default_factory=list)
    at: float = 0.0

    def put(self, column: int, text: str, style: Style, now: float) -> None:
        """Writes over what stands there."""
        self.cells.extend([(" ", ())] * (column + len(text) - len(self.cells)))
        self.cells[column : column + len(text)] = [(letter, style) for letter in text]
        self.at = now

    def runs(self) -> Iterator[tuple[int, str, Style]]:
        """Column, text and style of each piece of one style."""
        begin = 0
        for end in range(1, len(self.cells) + 1):
            if end == len(self.cells) or self.cells[end][1] != self.cells[begin][1]:
                text = "".join(letter for letter, _ in self.cells[begin:end])
                if text.strip():
                    yield begin, text, self.cells[begin][1]
                begin = end

    @property
    def text(self) -> str:
        """What it says."""
        return "".join(letter for letter, _ in self.cells).rstrip()


class Terminal:
    """As much of a terminal as the demo uses: text, styles, and lines that are taken back."""

    def __init__(self) -> None:
        self.lines = [Line()]
        self._row = self._column = 0
        self._style: Style = ()

    def feed(self, data: str, now: float) -> None:
        """Takes what was written."""
        place = 0
        for control in _CONTROL.finditer(data):
            self._write(data[place : control.start()], now)
            self._obey(control)
            place = control.end()
        self._write(data[place:], now)

    def _write(self, text: str, now: float) -> None:
        while text:
            room = COLUMNS - self._column
            if room <= 0:
                self._down()
                self._column = 0
                continue
            self.lines[self._row].put(self._column, text[:room], self._style, now)
            self._column += min(room, len(text))
            text = text[room:]

    def _down(self) -> None:
        self._row += 1
        if self._row == len(self.lines):
            self.lines.append(Line())

    def _obey(self, control: re.Match[str]) -> None:
        if control[0] == "\r":
            self._column = 0
        elif control[0] == "\n":
            self._down()
        elif control[2] == "A":
            self._row = max(0, self._row - int(control[1] or 1))
        elif control[2] == "K":
            self.lines[self._row] = Line()
        elif control[2] == "m":
            self._dress(int(number) for number in (control[1] or "0").split(";"))

    def _dress(self, numbers: Iterator[int]) -> None:
        for number in numbers:
            added = {0: "", 1: "bold", 2: "dim"}.get(number, _COLOURS.get(number))
            self._style = () if not added else (*self._style, added)


def record() -> str:
    """Runs the demo in a terminal of its own; gives the recording.

    Raises:
        SystemExit: The demo has failed.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 200, COLUMNS, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS)}
    child = subprocess.Popen(COMMAND, cwd=ROOT, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    began, events, rest = time.monotonic(), [], b""
    while piece := _read(ours):
        text, rest = _whole(rest + piece)
        events.append([round(time.monotonic() - began, 3), "o", text])
    os.close(ours)
    if child.wait():
        sys.stderr.write("".join(text for _, _, text in events))
        raise SystemExit("the demo has failed: nothing is written")
    shown = " ".join(word for word in COMMAND if not word.startswith("--"))
    header = {"version": 2, "width": COLUMNS, "height": 200, "command": shown}
    return "".join(json.dumps(each) + "\n" for each in (header, *events))


def draw(cast: str) -> str:
    """The picture of a recording."""
    header, *events = (json.loads(line) for line in cast.splitlines())
    terminal = Terminal()
    terminal.lines[0].put(0, "$ ", ("green",), 0.0)
    terminal.lines[0].put(2, header["command"], ("bold",), 0.0)
    terminal.feed("\r\n", 0.0)
    for at, _, data in events:
        terminal.feed(data, at)
    lines = list(itertools.takewhile(lambda line: line.text not in LEFT_OUT, terminal.lines))
    while lines and not lines[-1].text:
        lines.pop()
    _shorten(lines)
    return _svg(lines)


def _shorten(lines: Sequence[Line]) -> None:
    """Brings the moments at which lines come nearer to each other, where there is more than a short wait between."""
    shown, told, before = {0.0: 0.0}, TYPING, 0.0
    for at in sorted({line.at for line in lines} - {0.0}):
        told += min(at - before, LONGEST_WAIT)
        shown[at] = told
        before = at
    for line in lines:
        line.at = shown[line.at]


def _svg(lines: Sequence[Line]) -> str:
    whole = max(line.at for line in lines) + HOLD
    rows = min(ROWS, len(lines))
    width, height = COLUMNS * _CELL + 2 * _MARGIN, _BAR + rows * _LINE + _MARGIN
    style, drawn = [_STYLE], []
    for number, line in enumerate(lines):
        # What is written later stands below: a line does not come before those above it.
        share = 100 * max(each.at for each in lines[: number + 1]) / whole
        style.append(f"@keyframes l{number}{{0%,{share:.2f}%{{opacity:0}}{share + 0.01:.2f}%,100%{{opacity:1}}}}\n")
        pieces = "".join(_piece(*run) for run in line.runs())
        y = (number + 1) * _LINE - 4
        drawn.append(f'<text y="{y}" style="animation:l{number} {whole:.1f}s infinite">{pieces}</text>\n')
    last = -(len(lines) - rows) * _LINE
    style.append(f"@keyframes up{{{_steps(lines, rows, whole)}}}\n")
    moved = f"transform:translateY({last}px);animation:up {whole:.1f}s step-end infinite"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height}" width="{width:g}" role="img">\n'
        f"<title>A recording of make demo</title>\n<style>{''.join(style)}</style>\n"
        f'<rect width="100%" height="100%" rx="8" fill="#1b1f27"/>\n'
        + "".join(f'<circle cx="{20 + 18 * n}" cy="17" r="5.5" fill="#3a414d"/>' for n in range(3))
        + f'\n<svg x="{_MARGIN}" y="{_BAR}" width="{COLUMNS * _CELL:g}" height="{rows * _LINE}">'
        f'<g style="{moved}">\n{"".join(drawn)}</g></svg>\n</svg>\n'
    )


def _steps(lines: Sequence[Line], rows: int, whole: float) -> str:
    """How far the text has moved up, and when."""
    steps, latest = ["0%{transform:translateY(0)}"], 0.0
    for number in range(rows, len(lines)):
        latest = max(latest, *(line.at for line in lines[: number + 1]))
        steps.append(f"{100 * latest / whole:.2f}%{{transform:translateY({-(number + 1 - rows) * _LINE}px)}}")
    return "".join(steps)


def _piece(column: int, text: str, style: Style) -> str:
    text, indent = text.rstrip(), len(text) - len(text.lstrip())
    column, text = column + indent, text.lstrip()
    names = f' class="{" ".join(style)}"' if style else ""
    place = f'x="{column * _CELL:g}" textLength="{len(text) * _CELL:g}"'
    return f'<tspan {place} lengthAdjust="spacingAndGlyphs"{names}>{html.escape(text, quote=False)}</tspan>'


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # How Linux says that nobody holds the other side any more.
        return b""


def _whole(data: bytes) -> tuple[str, bytes]:
    """The text in these bytes, and the beginning of a letter that is not there wholly."""
    for end in range(len(data), max(-1, len(data) - 4), -1):
        try:
            return data[:end].decode(), data[end:]
        except UnicodeDecodeError:
            continue
    return data.decode(errors="replace"), b""


def main() -> None:
    """Records, unless told not to, and draws."""
    if "--draw" not in sys.argv[1:]:
        CAST.write_text(record())
    SVG.write_text(draw(CAST.read_text()))


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Draws the table of growth.py as one chart: growth_chart.py TABLE.tsv CHART.svg

Small multiples, both axes logarithmic: level is as good as it gets for what is of one customer, and a slope of one decade a decade is linear.
"""
import math
import sys
from html import escape

WIDTH, HEIGHT, COLUMNS = 330, 270, 3
LEFT, RIGHT, TOP, BOTTOM = 46, 58, 62, 34
HEAD = 58

# Group: title, unit, series in order, whether a line shows what linear looks like, bounds to draw.
PANELS = [
    ("cpu_us", "CPU time of a pass", "µs a customer", ["first", "unchanged", "1 % changed", "0.1 % deleted"], False, {}),
    ("memory_mb", "Peak memory", "MB", ["first", "unchanged", "1 % changed", "0.1 % deleted"], False, {"at most 60 MB": 60}),
    ("file_bytes", "File", "bytes a customer", ["after a first pass", "a day later"], False, {}),
    ("written_bytes", "Written to the disk by a pass", "bytes a customer", ["first", "unchanged", "1 % changed", "0.1 % deleted"], False, {}),
    ("end_s", "From the last page to the end of the pass", "seconds", ["first", "unchanged", "0.1 % deleted", "feed pruned"], True, {}),
    ("question_ms", "Questions, whole processes", "ms", ["--version", "get", "status", "search"], False, {}),
]

# Colour and shape of a series; those that are alike in several panels have the same ones in all of them.
LOOKS = {"first": 0, "unchanged": 1, "1 % changed": 2, "0.1 % deleted": 3, "feed pruned": 4, "after a first pass": 0, "a day later": 1,
         "--version": 0, "get": 1, "status": 2, "search": 3}

STYLE = """
  svg { font: 11px system-ui, sans-serif; --ink: #1b1f24; --faint: #59636e; --grid: #dfe3e8; --paper: #ffffff;
        --s0: #1f6fc4; --s1: #b3541e; --s2: #1a7f4b; --s3: #8250b4; --s4: #b3266b; }
  @media (prefers-color-scheme: dark) {
    svg { --ink: #e6e9ec; --faint: #9aa4ae; --grid: #30363d; --paper: #14181c; --s0: #6cb0ff; --s1: #f0975a; --s2: #5ecb90; --s3: #c9a3f5; --s4: #ff8fbe; }
  }
  .paper { fill: var(--paper); }
  text { fill: var(--ink); } .faint { fill: var(--faint); }
  .title { font-weight: 600; font-size: 12.5px; } .head { font-weight: 600; font-size: 16px; }
  .grid { stroke: var(--grid); } .guide { stroke: var(--faint); stroke-dasharray: 4 4; fill: none; }
  .line { fill: none; stroke-width: 2; } .end { font-variant-numeric: tabular-nums; }
""" + "".join(f"  .s{n} {{ stroke: var(--s{n}); }} .f{n} {{ fill: var(--s{n}); }}\n" for n in range(5))


def read(path):
    with open(path) as file:
        next(file)
        lines = [line.rstrip("\n").split("\t") for line in file]
    figures = {}
    for customers, group, series, value in lines:
        figures.setdefault((group, series), []).append((int(customers), float(value)))
    return {key: sorted(points) for key, points in figures.items()}


def short(value):
    """Three digits, and a unit in words of the thousands."""
    for least, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= least:
            scaled = value / least * (10 if unit == "k" else 1)
            return f"{scaled:.3g}{unit}"
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def decade(exponent):
    value = 10.0 ** exponent
    return short(value) if exponent >= 0 else f"{value:.{-exponent}f}"


def marker(shape, x, y):
    """A different shape for each series: colour alone is not enough for everybody."""
    if shape == 0:
        return f'<circle class="f0" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>'
    corners = {1: [(-3.3, -3.3), (3.3, -3.3), (3.3, 3.3), (-3.3, 3.3)], 2: [(0, -4.3), (4, 3), (-4, 3)], 3: [(0, -4.5), (4.5, 0), (0, 4.5), (-4.5, 0)],
               4: [(0, 4.3), (4, -3), (-4, -3)]}
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners[shape])
    return f'<polygon class="f{shape}" points="{points}"/>'


class Panel:
    """One of the small charts."""

    def __init__(self, lines, bounds):
        values = [value for points in lines for _, value in points if value > 0] + list(bounds.values())
        sizes = [size for points in lines for size, _ in points]
        self.sizes = (math.floor(math.log10(min(sizes))), math.ceil(math.log10(max(sizes))))
        self.values = (math.floor(math.log10(min(values))), math.ceil(math.log10(max(values))))
        if self.values[0] == self.values[1]:
            self.values = (self.values[0], self.values[1] + 1)

    def x(self, size):
        low, high = self.sizes
        return LEFT + (math.log10(size) - low) / max(high - low, 1) * (WIDTH - LEFT - RIGHT)

    def y(self, value):
        low, high = self.values
        return HEIGHT - BOTTOM - (math.log10(value) - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    def grid(self):
        for exponent in range(self.values[0], self.values[1] + 1):
            y = self.y(10.0 ** exponent)
            yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            yield f'<text class="faint" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{decade(exponent)}</text>'
        for exponent in range(self.sizes[0], self.sizes[1] + 1):
            x = self.x(10.0 ** exponent)
            yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
            yield f'<text class="faint" x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{short(10.0 ** exponent)}</text>'

    def linear(self, points):
        """From the first point on, growing as the customers do, as far as the panel goes."""
        (size, value), top = points[0], 10.0 ** self.values[1]
        end = min(10.0 ** self.sizes[1], size * top / value)
        yield f'<line class="guide" x1="{self.x(size):.1f}" y1="{self.y(value):.1f}" x2="{self.x(end):.1f}" y2="{self.y(value * end / size):.1f}"/>'
        middle = math.sqrt(size * end)
        yield f'<text class="faint" x="{self.x(middle) + 6:.1f}" y="{self.y(value * middle / size) + 14:.1f}">linear</text>'

    def bound(self, label, value):
        y = self.y(value)
        yield f'<line class="guide" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text class="faint" x="{LEFT + 4}" y="{y - 5:.1f}">{escape(label)}</text>'

    def line(self, number, points):
        path = " ".join(f"{self.x(size):.1f},{self.y(value):.1f}" for size, value in points)
        yield f'<polyline class="line s{number}" points="{path}"/>'
        yield from (marker(number, self.x(size), self.y(value)) for size, value in points)


def apart(wanted, least=12):
    """Heights of labels, pushed apart so that none covers another."""
    placed = {}
    for number, y in sorted(wanted.items(), key=lambda one: one[1]):
        placed[number] = max(y, max(placed.values(), default=-math.inf) + least)
    return placed


def draw(figures, group, title, unit, names, with_linear, bounds):
    lines = {LOOKS[name]: [point for point in figures.get((group, name), []) if point[1] > 0] for name in names}
    lines = {look: points for look, points in lines.items() if points}
    words = {LOOKS[name]: name for name in names}
    panel = Panel(list(lines.values()), bounds)
    yield f'<text class="title" x="0" y="14">{escape(title)}</text><text class="faint" x="0" y="29">{escape(unit)}</text>'
    at = 4
    for number in lines:
        yield marker(number, at, 44) + f'<text x="{at + 8}" y="48">{escape(words[number])}</text>'
        at += 24 + sum(4 if letter in "fijlrt1 .-" else 7 for letter in words[number])
    yield from panel.grid()
    for label, value in bounds.items():
        yield from panel.bound(label, value)
    if with_linear:
        yield from panel.linear(max(lines.values(), key=lambda points: points[0][1]))
    for number, points in lines.items():
        yield from panel.line(number, points)
    for number, y in apart({number: panel.y(points[-1][1]) for number, points in lines.items()}).items():
        x = panel.x(lines[number][-1][0]) + 8
        yield f'<text class="end f{number}" x="{x:.1f}" y="{y + 4:.1f}">{short(lines[number][-1][1])}</text>'


def main(table, chart):
    figures = read(table)
    rows = math.ceil(len(PANELS) / COLUMNS)
    width, height = COLUMNS * WIDTH + 40, HEAD + rows * (HEIGHT + 16) + 16
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-labelledby="title">',
           '<title id="title">What becomes of time, memory and file size as customers become more</title>', f"<style>{STYLE}</style>",
           f'<rect class="paper" width="{width}" height="{height}"/>',
           '<text class="head" x="20" y="28">Growth</text>',
           '<text class="faint" x="20" y="46">by the number of customers; both axes are logarithmic; the number behind a line is its last value</text>']
    for number, panel in enumerate(PANELS):
        x, y = 20 + number % COLUMNS * WIDTH, HEAD + 10 + number // COLUMNS * (HEIGHT + 16)
        out += [f'<g transform="translate({x} {y})">', *draw(figures, *panel), "</g>"]
    with open(chart, "w") as file:
        file.write("\n".join([*out, "</svg>", ""]))


if __name__ == "__main__":
    main(*sys.argv[1:])

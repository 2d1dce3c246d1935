# SPDX-License-Identifier: MIT
"""plot.py - bar and line charts as SVG, written by hand.

A chart is given as {series: [value or None, ...]} over a list of labels.
"""

import math
from xml.sax.saxutils import escape

COLOURS = ["#1b6ca8", "#777777", "#b0b0b0", "#c0392b", "#e08e79", "#8e44ad", "#c39bd3", "#27864a",
           "#82c99d"]
WIDTH, HEIGHT = 820, 420
LEFT, RIGHT, TOP, BOTTOM = 70, 190, 48, 56


def number(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


class Scale:
    """Values to heights, linear from zero or logarithmic over whole decades."""

    def __init__(self, values, logarithmic):
        self.logarithmic = logarithmic
        if logarithmic:
            self.low = math.floor(math.log10(min(values)))
            self.high = max(math.ceil(math.log10(max(values))), self.low + 1)
            self.ticks = [10.0**n for n in range(self.low, self.high + 1)]
        else:
            step = 10.0 ** math.floor(math.log10(max(values)))
            step = next(step * f for f in (0.1, 0.2, 0.5, 1, 2) if max(values) / (step * f) <= 8)
            self.low, self.high = 0, math.ceil(max(values) / step) * step
            self.ticks = [n * step for n in range(round(self.high / step) + 1)]

    def at(self, value):
        place = math.log10(value) if self.logarithmic else value
        share = (place - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def text(x, y, words, anchor="middle", size=12, more=""):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"{more}>'
            f"{escape(words)}</text>")


def frame(title, unit, scale, series, labels, below):
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
           f'width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
           text(LEFT, 22, title, "start", 15, ' font-weight="bold"'),
           text(LEFT, 40, unit, "start", 11)]
    for tick in scale.ticks:
        y = scale.at(tick) if tick or not scale.logarithmic else HEIGHT - BOTTOM
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" '
                   f'stroke="#dddddd"/>')
        out.append(text(LEFT - 6, y + 4, number(tick), "end", 11))
    for place, label in zip(places(labels), labels):
        out.append(text(place, HEIGHT - BOTTOM + 18, label))
    out.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, below))
    for i, name in enumerate(series):
        y = TOP + 8 + 20 * i
        out.append(f'<rect x="{WIDTH - RIGHT + 16}" y="{y - 10}" width="12" height="12" '
                   f'fill="{COLOURS[i % len(COLOURS)]}"/>')
        out.append(text(WIDTH - RIGHT + 34, y, name, "start"))
    return out


def places(labels):
    step = (WIDTH - LEFT - RIGHT) / len(labels)
    return [LEFT + step * (i + 0.5) for i in range(len(labels))]


def bars(title, unit, below, labels, series, logarithmic=False):
    values = [v for row in series.values() for v in row if v]
    scale = Scale(values, logarithmic)
    out = frame(title, unit, scale, series, labels, below)
    group = (WIDTH - LEFT - RIGHT) / len(labels) * 0.84
    width = group / len(series)
    for i, row in enumerate(series.values()):
        for place, value in zip(places(labels), row):
            if not value:
                continue
            x, y = place - group / 2 + i * width, scale.at(value)
            out.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width * 0.92:.1f}" '
                       f'height="{HEIGHT - BOTTOM - y:.1f}" fill="{COLOURS[i % len(COLOURS)]}"/>')
            if width >= 20:
                out.append(text(x + width * 0.46, y - 3, number(value), size=9))
    return "\n".join(out + ["</svg>"]) + "\n"


def lines(title, unit, below, labels, series, logarithmic=False):
    values = [v for row in series.values() for v in row if v]
    scale = Scale(values, logarithmic)
    out = frame(title, unit, scale, series, labels, below)
    for i, row in enumerate(series.values()):
        colour = COLOURS[i % len(COLOURS)]
        points = [(x, scale.at(v), v) for x, v in zip(places(labels), row) if v]
        joined = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)
        out.append(f'<polyline points="{joined}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for x, y, value in points:
            out.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>')
            out.append(text(x, y - 8, number(value), size=10))
    return "\n".join(out + ["</svg>"]) + "\n"

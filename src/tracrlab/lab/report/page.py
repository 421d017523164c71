"""The report as one page of HTML, with plots inside."""

from __future__ import annotations

import base64
import html as escaping
import io
import re
from collections.abc import Iterator, Sequence

from tracrlab.extras import require
from tracrlab.lab.report.summary import MEASURES, TITLES, lines
from tracrlab.lab.report.text import HEADINGS, markdown
from tracrlab.lab.scoring import Row

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;"
    "background:#fff}"
    "table{border-collapse:collapse;margin:1rem 0;font-variant-numeric:tabular-nums}td,th{padding:.25rem .6rem;"
    "border-bottom:1px solid #ddd;text-align:left}img{max-width:100%}code{background:#f2f2f2;padding:0 .2em}"
)


def html(rows: Sequence[Row], command: str) -> str:
    """The page.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    body = list(_elements(markdown(rows, command)))
    plots = [f"<h2>Plots</h2>{''.join(_plots(rows))}"] if any(row.error is None for row in rows) else []
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Scores of interpretability methods</title>'
        f"<style>{_STYLE}</style><body>{''.join(body + plots)}</body></html>\n"
    )


def _elements(text: str) -> Iterator[str]:
    """The few forms of Markdown that the report has."""
    for block in text.strip().split("\n\n"):
        if heading := re.match(r"(#+) (.*)", block):
            yield f"<h{len(heading[1])}>{_inline(heading[2])}</h{len(heading[1])}>"
        elif block.startswith("| "):
            header, _, *body = (line.strip("| ").split(" | ") for line in block.split("\n"))
            yield "<table>" + _row(header, "th") + "".join(_row(cells, "td") for cells in body) + "</table>"
        elif block.startswith("- "):
            yield "<ul>" + "".join(f"<li>{_inline(line[2:])}</li>" for line in block.split("\n")) + "</ul>"
        else:
            yield f"<p>{_inline(block)}</p>"


def _row(cells: Sequence[str], tag: str) -> str:
    return "<tr>" + "".join(f"<{tag}>{_inline(cell.strip())}</{tag}>" for cell in cells) + "</tr>"


def _inline(text: str) -> str:
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escaping.escape(text))


def _plots(rows: Sequence[Row]) -> Iterator[str]:
    """A plot for each kind: each method's score on every case, with the mean over programs and its interval."""
    figures = require("matplotlib.figure", extra="lab", purpose="the plots of a report")
    for kind, (measure, *_) in MEASURES.items():
        found = lines(rows, kind)[::-1]
        if not found:
            continue
        figure = figures.Figure(figsize=(8, 0.9 + 0.3 * len(found)), layout="constrained")
        axes = figure.subplots()
        for height, line in enumerate(found):
            values = [row.values[measure] for row in rows if row.method == line.method and row.error is None]
            axes.plot(values, [height] * len(values), "|", color="0.7", markersize=8)
            own = line.measures[measure]
            axes.plot([own.low, own.high], [height, height], color="C0", linewidth=2)
            axes.plot([own.mean], [height], "o", color="C0")
        axes.set_yticks(range(len(found)), [line.method for line in found])
        axes.set_xlabel(TITLES.get(measure, measure))
        axes.set_title(HEADINGS[kind], loc="left")
        stream = io.BytesIO()
        figure.savefig(stream, format="svg", metadata={"Date": None})
        encoded = base64.b64encode(stream.getvalue()).decode()
        yield f'<p><img alt="{HEADINGS[kind]}: {measure} of each method" src="data:image/svg+xml;base64,{encoded}"></p>'

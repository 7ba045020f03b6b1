"""A report as HTML, Markdown and LaTeX. Every text is escaped as its language asks."""

import re
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from dashboards import charts
from dashboards.rendering import Renderer
from service.reports.content import Report

_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "'": "'",
    "`": r"\textasciigrave{}",
    "–": "--",
    "−": r"\ensuremath{-}",
    "≥": r"\ensuremath{\geq}",
    "≤": r"\ensuremath{\leq}",
    "×": r"\ensuremath{\times}",
    "ε": r"\ensuremath{\varepsilon}",
    "η": r"\ensuremath{\eta}",
    "λ": r"\ensuremath{\lambda}",
    "β": r"\ensuremath{\beta}",
    "θ": r"\ensuremath{\theta}",
    "\u00a0": "~",
}
_MARKDOWN = re.compile(r"([\\`*_{}\[\]#|~<>$^]|^[-+=](?=\s|$))")
NBSP = "\N{NO-BREAK SPACE}"
LATIN = 0x100
"""Characters below it are in every LaTeX; of others only those named above."""


def latex(text: object) -> str:
    """Return text that LaTeX sets as it is: characters that it has no glyph for become ``?``."""
    plain = " ".join(str(text).split())
    return "".join(_LATEX.get(one) or (one if _settable(one) else "?") for one in plain)


def _settable(one: str) -> bool:
    """Whether T1 fonts have a character: letters of western scripts, no control characters."""
    return one.isprintable() and (ord(one) < 0x7F or (0xC0 <= ord(one) < LATIN and one.isalpha()))


def markdown(text: object) -> str:
    """Return text that Markdown shows as it is, on one line."""
    plain = " ".join(part for part in str(text).split(" ") if part)
    plain = "".join(
        one if one.isprintable() or one == "\N{NO-BREAK SPACE}" else " " for one in plain
    )
    return _MARKDOWN.sub(r"\\\1", plain).replace("&", "&amp;")


def _environment(escape: bool, **syntax: str) -> Environment:
    return Environment(
        loader=PackageLoader("service.reports"),
        autoescape=escape,  # noqa: S701 - LaTeX and Markdown have filters of their own
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **syntax,  # type: ignore[arg-type]
    )


_HTML: Final = _environment(True)
_PLAIN: Final = _environment(False)
_PLAIN.filters["markdown"] = markdown
_TEX: Final = _environment(
    False,
    block_start_string="<%",
    block_end_string="%>",
    variable_start_string="<<",
    variable_end_string=">>",
    comment_start_string="<#",
    comment_end_string="#>",
)
_TEX.filters["latex"] = latex


def to_html(report: Report, renderer: Renderer) -> str:
    """Return a page that needs nothing else: its pictures and its style are in it."""
    figures = [charts.heatmaps(report.results, title=report.study.name, theme=charts.LIGHT)]
    if report.comparison is not None:
        against = f"{report.study.name}: less {report.comparison.reference_title}"
        figures.append(
            charts.difference_figure(report.comparison, title=against, theme=charts.LIGHT)
        )
    pictures = [Markup(renderer.render_svg(one)) for one in figures]  # noqa: S704 - drawings
    return _HTML.get_template("report.html").render(report=report, figures=pictures)


def to_markdown(report: Report, base: str) -> str:
    """Return Markdown whose figures are pictures of the service at `base`."""
    return _PLAIN.get_template("report.md").render(report=report, base=base.rstrip("/"))


def to_latex(report: Report) -> str:
    """Return a document that compiles once ``heatmap.pdf`` lies beside it, or without."""
    return _TEX.get_template("report.tex").render(report=report)

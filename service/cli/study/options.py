"""Options of the commands on studies."""

from pathlib import Path
from typing import Annotated

import typer

from service.cli import completion
from service.client.results import FORMS, Split, Theme, What

# Which studies are listed.
StateFilter = Annotated[
    list[str] | None,
    typer.Option(
        help="Only those queued, running, done, failed or cancelled; may be repeated.",
        autocompletion=completion.states,
    ),
]
TaskFilter = Annotated[
    str | None, typer.Option(help="Only those of this task.", autocompletion=completion.tasks)
]
OptimizerFilter = Annotated[
    str | None,
    typer.Option(
        help="Only those with this optimizer, by name or label.",
        autocompletion=completion.optimizers,
    ),
]
OwnerFilter = Annotated[str | None, typer.Option(help="Only those sent with this key.")]
TagFilter = Annotated[
    list[str] | None, typer.Option(help="Only those with this tag; may be repeated.")
]
TextFilter = Annotated[
    str | None, typer.Option("--text", "-q", help="Only those with this in name, note or id.")
]
OrderOption = Annotated[
    str | None, typer.Option(help="What comes first: newest, oldest, name or priority.")
]

# Which trials of a study are listed.
TrialStateFilter = Annotated[
    list[str] | None,
    typer.Option(help="Only those pending, running, done, diverged or failed; may be repeated."),
]
LabelFilter = Annotated[
    str | None, typer.Option(help="Only those of the optimizer with this label.")
]
LearningRateFilter = Annotated[
    list[float] | None,
    typer.Option("--learning-rate", "--lr", help="Only those with this one; may be repeated."),
]
WeightDecayFilter = Annotated[
    list[float] | None,
    typer.Option("--weight-decay", "--wd", help="Only those with this one; may be repeated."),
]
SeedFilter = Annotated[
    list[int] | None, typer.Option(help="Only those of this seed; may be repeated.")
]

# What a study is extended by.
MoreSeeds = Annotated[
    str | None, typer.Option(help="A number of seeds, those it has included, or a list: 7,8,9.")
]
MoreLearningRates = Annotated[
    str | None, typer.Option("--learning-rates", "--lr", help="More of them: 0.03,0.1.")
]
MoreWeightDecays = Annotated[
    str | None, typer.Option("--weight-decays", "--wd", help="More of them: 0.3,3.")
]
MoreOptimizers = Annotated[
    list[str] | None,
    typer.Option(
        help="One more, by its name; may be given several times.",
        autocompletion=completion.optimizers,
    ),
]
MorePoints = Annotated[
    int | None, typer.Option(help="Of a search: points an optimizer is given from now on.")
]
MoreSeconds = Annotated[
    float | None, typer.Option(help="Of a search whose budget is in seconds: likewise.")
]
MoreFile = Annotated[
    Path | None, typer.Option("--file", help="All of this in YAML or JSON instead.")
]

# What results are computed from, and what they are saved as.
SplitOption = Annotated[
    Split | None, typer.Option(help="Which data the scores come from; test by default.")
]
ReferenceOption = Annotated[
    str | None,
    typer.Option(help="Label of the optimizer to compare with; a baseline by default."),
]
ToleranceOption = Annotated[
    float | None,
    typer.Option(help="Tolerance in the metric's own unit; 0.01 is a point, and the default."),
]
ExportOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="The file; study-ID.FORM here by default."),
]
FormOption = Annotated[
    str | None,
    typer.Option(
        "--format",
        "-f",
        help=f"One of {', '.join(FORMS)}; by default what the file's name ends in.",
        autocompletion=completion.forms,
    ),
]
WhatOption = Annotated[
    What, typer.Option(help="Maps, differences to a reference, single trials, or a report.")
]
ThemeOption = Annotated[Theme | None, typer.Option(help="Colours of a picture; light by default.")]
ScaleOption = Annotated[float | None, typer.Option(help="Pixels a point, of a png.")]

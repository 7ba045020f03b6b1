"""Lines of a schedule's studies."""

from dataclasses import replace
from datetime import timedelta

from dashboards.queries import BestScore
from dashboards.trend import HEIGHT, MARGIN, WIDTH, trend
from service.schedules.model import SentView
from tests.dashboards import samples
from tests.dashboards.test_schedule_pages import schedule

LOSS = replace(samples.ACCURACY, name="loss", percent=False, maximize=False)


def drawn(*nights, metric=samples.ACCURACY, worse=()):
    """The trend of studies in which `adamw` and `adam-lpwd` scored this."""
    sent, best = [], {}
    for number, scores in enumerate(nights):
        due, name = samples.NOW + timedelta(days=number), f"study-{number}"
        sent.append(SentView(due, name, worse if number == len(nights) - 1 else ()))
        names = zip(("adamw", "adam-lpwd"), scores, strict=False)
        best[name] = [BestScore(label, label.title(), score, metric) for label, score in names]
    return trend(schedule(sent=tuple(sent)), best)


def test_lines_go_from_study_to_study_on_one_scale():
    found = drawn((0.90, 0.95), (0.95, 0.92), (0.90, 1.00), worse=("adamw",))
    lpwd, adamw = found.lines  # the better first, in the colour of its place in the schedule
    assert (adamw.colour, lpwd.colour, lpwd.score) == (1, 2, "100.00\N{NO-BREAK SPACE}%")
    bottom, middle = HEIGHT - MARGIN, HEIGHT / 2
    assert adamw.path == f"M5.0 {bottom:.1f}L84.0 {middle:.1f}L{WIDTH - MARGIN:.1f} {bottom:.1f}"
    assert lpwd.end == (WIDTH - MARGIN, MARGIN)
    assert (adamw.worse, lpwd.worse) == ((adamw.end,), ())
    assert found.words.startswith("Best scores of the last 3 studies. Adam-Lpwd: 100.00")


def test_noise_is_no_cliff():
    same = drawn((0.9,), (0.9,)).lines[0]
    assert same.end[1] == HEIGHT / 2
    little = drawn((0.900,), (0.901,)).lines[0]
    assert 0 < HEIGHT / 2 - little.end[1] < 2
    assert drawn((0.0,), (0.0,), metric=LOSS).lines[0].end[1] == HEIGHT / 2


def test_of_a_loss_the_least_is_named_first():
    assert [line.title for line in drawn((1, 2), (1, 2), metric=LOSS).lines] == [
        "Adamw",
        "Adam-Lpwd",
    ]


def test_what_cannot_be_compared_is_left_out():
    assert drawn() is None
    assert drawn((0.9,)) is None
    assert drawn((), (0.9,), ()) is None
    both = drawn((0.9, 0.8), (0.9,), (0.7, 0.8))
    assert [line.path.count("L") for line in both.lines] == [1, 2]
    best = {
        "a": [BestScore("adamw", "AdamW", 3.0, LOSS)],
        "b": [BestScore("adamw", "AdamW", 0.9, samples.ACCURACY)],
    }
    changed = schedule(sent=(SentView(samples.NOW, "a"), SentView(samples.NOW, "b")))
    assert trend(changed, best) is None

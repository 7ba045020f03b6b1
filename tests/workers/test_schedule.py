import pytest

from workers.contracts import LearningRateSchedule
from workers.training.schedule import learning_rate_factor


@pytest.mark.parametrize("schedule", list(LearningRateSchedule))
def test_it_begins_at_the_full_rate_and_never_rises(schedule):
    factors = [learning_rate_factor(schedule, step, 50) for step in range(50)]
    assert factors[0] == 1.0
    assert factors == sorted(factors, reverse=True)
    assert factors[-1] > 0


def test_cosine_is_half_way_down_in_the_middle():
    assert learning_rate_factor(LearningRateSchedule.COSINE, 25, 50) == pytest.approx(0.5)

"""Student's t against scipy's."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import t

from lpwd.student import quantile


@pytest.mark.parametrize("probability", [0.025, 0.4, 0.5, 0.6, 0.9, 0.975, 0.995, 0.9999])
def test_quantiles_are_those_of_scipy(probability):
    degrees = np.array([*range(1, 60), 99, 100, 499, 998, 999])
    expected = t.ppf(probability, degrees)
    assert quantile(degrees, probability) == pytest.approx(expected, rel=1e-11, abs=1e-12)


def test_an_array_keeps_its_shape_and_a_number_stays_one():
    degrees = np.array([[2, 9, 2], [9, 1, 1]])
    found = quantile(degrees, 0.975)
    assert found.shape == (2, 3)
    assert found[0, 0] == found[0, 2] == quantile(2, 0.975)
    assert isinstance(quantile(3, 0.9), float)
    assert quantile(np.empty((0, 2)), 0.9).shape == (0, 2)


@pytest.mark.parametrize(("degrees", "probability"), [(0, 0.9), (2.5, 0.9), (3, 0.0), (3, 1.0)])
def test_what_makes_no_sense_is_refused(degrees, probability):
    with pytest.raises(ValueError, match=r"whole numbers|between 0 and 1"):
        quantile(degrees, probability)


def test_it_brings_no_scipy():
    code = "import sys, lpwd.student as s; s.quantile(4, 0.975); print('scipy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"

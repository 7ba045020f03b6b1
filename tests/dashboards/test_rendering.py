import os
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import pytest

from dashboards.errors import RenderingError
from dashboards.rendering import Renderer, unique_ids
from tests.live import PATIENCE


def spec(value: int = 1) -> dict:
    return {
        "data": {"values": [{"x": value}, {"x": value + 1}]},
        "mark": {"type": "line", "clip": True},
        "encoding": {"x": {"field": "x", "type": "quantitative"}},
    }


def child(renderer: Renderer) -> int:
    (process,) = renderer._child.pids
    return process


def test_the_same_chart_is_drawn_once():
    with Renderer() as renderer:
        first = renderer.render_svg(spec())
        os.kill(child(renderer), signal.SIGKILL)
        assert renderer.render_svg(spec()) == first
        assert renderer.render_svg(spec(2)) != first


def test_a_killed_process_is_replaced():
    with Renderer() as renderer:
        renderer.render_svg(spec())
        before = child(renderer)
        os.kill(before, signal.SIGKILL)
        assert renderer.render_svg(spec(2)).startswith("<svg")
        assert child(renderer) != before


def test_the_cache_forgets_the_least_used():
    with Renderer(cached=2) as renderer:
        first = renderer.render_svg(spec(1))
        renderer.render_svg(spec(2))
        renderer.render_svg(spec(1))
        renderer.render_svg(spec(3))
        kept = list(renderer._pictures.values())
        assert len(kept) == 2
        assert first.encode() in kept


def test_threads_share_it(renderer):
    with ThreadPoolExecutor(8) as threads:
        pictures = list(threads.map(lambda n: renderer.render_svg(spec(100 + n % 4)), range(24)))
    assert len(set(pictures)) == 4
    assert pictures[0] == pictures[4]


def test_what_is_no_chart_is_refused_and_the_next_one_drawn(renderer):
    with pytest.raises(RenderingError, match="not a chart"):
        renderer.render_svg({"mark": 3})
    assert renderer.render_svg(spec(7)).startswith("<svg")


def test_a_closed_renderer_leaves_no_process_and_refuses():
    renderer = Renderer()
    renderer.render_svg(spec())
    process = child(renderer)
    renderer.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    with pytest.raises(RenderingError, match="closed"):
        renderer.render_svg(spec(2))
    renderer.close()


def test_ids_differ_between_charts_on_one_page(renderer):
    one, other = renderer.render_svg(spec(1)), renderer.render_svg(spec(2))
    assert ' id="' in one
    ids = [found.split('"')[0] for svg in (one, other) for found in svg.split(' id="')[1:]]
    assert len(ids) == len(set(ids)) == 2
    assert f"url(#{ids[0]})" in one


def test_only_ids_are_changed():
    svg = (
        '<g aria-label="a id=b url(#c)"><text>id="x" url(#y)</text><path clip-path="url(#z)"/></g>'
    )
    assert unique_ids(svg, "p") == svg.replace("url(#z)", "url(#p-z)")


def test_the_asking_process_never_loads_the_drawing_library_and_leaves_none_behind():
    """The program kills itself; its output ends only when the drawing process is gone as well,
    since that one holds the same pipe: were it left behind, this would time out."""
    program = """
        import os, signal, sys
        from dashboards.rendering import Renderer
        if __name__ == "__main__":
            renderer = Renderer()
            renderer.render_svg({"mark": "point", "data": {"values": [{}]}})
            print("vl_convert" in sys.modules, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert done.stdout == "False\n"

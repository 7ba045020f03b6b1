"""`/metrics`."""

from fastapi import APIRouter, Response

from service.app_state import MetricsOf
from service.metrics.registry import CONTENT_TYPE

router = APIRouter(tags=["health"])


@router.get("/metrics", response_class=Response)
def metrics(metrics: MetricsOf) -> Response:
    """Return all metrics, in Prometheus' text format."""
    return Response(metrics.text(), media_type=CONTENT_TYPE)

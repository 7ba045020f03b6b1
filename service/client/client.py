"""The client: every resource of the REST API as a method."""

from service.client.archives import Archives
from service.client.catalogue import Catalogue
from service.client.health import Health
from service.client.keys import Keys
from service.client.operations import Operations
from service.client.results import Results
from service.client.schedules import Schedules
from service.client.searches import Searches
from service.client.studies import Studies
from service.client.watching import Watching
from service.client.webhooks import Webhooks


class Client(
    Studies,
    Results,
    Searches,
    Watching,
    Archives,
    Schedules,
    Catalogue,
    Operations,
    Keys,
    Webhooks,
    Health,
):
    """Talks to one service. Use it as a context manager.

    ```python
    with Client("http://127.0.0.1:8000") as client:
        created = client.submit(
            {
                "task": "digits-mlp",
                "optimizers": ["adamw", "adam-lpwd"],
                "learning_rates": [1e-3, 1e-2],
                "weight_decays": [0, 0.1],
            }
        )
        study = client.wait(created.study.id)
        client.export(study.id, "heatmap.png")
    ```

    Answers are typed. What the service refuses is raised as a `ClientError`: `NotFound`,
    `Conflict`, `InvalidRequest`, `Unauthorized`, `Forbidden`, `RateLimited`, `Unavailable`, or
    `ServiceAway` where nothing answers.
    """

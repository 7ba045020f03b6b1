import torch

from workers import tasks
from workers.training.seeds import Stream, batch_order, derive, initial_model


def test_streams_of_a_seed_are_independent():
    drawn = {derive(seed, stream, i) for seed in range(20) for stream in Stream for i in range(5)}
    assert len(drawn) == 20 * len(Stream) * 5


def test_batch_order_is_a_permutation_that_changes_every_epoch():
    first, second = batch_order([4], 0, 100), batch_order([4], 1, 100)
    assert torch.equal(first.sort(dim=1).values[0], torch.arange(100))
    assert not torch.equal(first, second)


def test_a_seed_orders_alike_whoever_else_is_there():
    assert torch.equal(batch_order([1, 2, 3], 5, 50)[1], batch_order([2], 5, 50)[0])


def test_initialisation_leaves_the_global_state_alone():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    initial_model(tasks.get("digits-mlp").load(), 99)
    assert torch.equal(torch.rand(3), expected)

"""One of two processes that train the same model by DDP or FSDP2; run by test_distributed.py.

    python distributed_worker.py (ddp|fsdp2|partly) RANK RENDEZVOUS_FILE NAME...

Each process compares what it trained with the same training in one process on the whole batch,
and exits with an error where they differ. "partly" is FSDP2 with the normalisation left unsharded.
"""

import copy
import os
import sys

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

import lpwd

STEPS = 4


def main() -> None:
    kind, rank, rendezvous, *names = sys.argv[1:]
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{rendezvous}", rank=int(rank), world_size=2
    )
    for name in names:
        check(kind, int(rank), name)
    dist.barrier()
    sys.stdout.flush()
    # Not through the interpreter's end: gloo's threads may still run then, which aborts now and
    # again ("terminate called without an active exception").
    os._exit(0)


def check(kind: str, rank: int, name: str) -> None:
    torch.manual_seed(0)
    alone = nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.Tanh(), nn.Linear(8, 6)).double()
    model = copy.deepcopy(alone)
    table = lpwd.layer_table(model, torch.zeros(2, 4).double())  # before it is wrapped
    if kind == "ddp":
        wrapped: nn.Module = DistributedDataParallel(model)
    else:
        mesh = dist.device_mesh.init_device_mesh("cpu", (2,))
        for module in [model] if kind == "fsdp2" else [model[0], model[3]]:
            fully_shard(module, mesh=mesh)
        wrapped = model
    ours = lpwd.build(name, table.groups(model.named_parameters()), lr=0.05, weight_decay=0.5)
    reference = lpwd.build(name, table.groups(alone.named_parameters()), lr=0.05, weight_decay=0.5)
    ours.attach(wrapped)
    x = torch.linspace(-1, 1, 32).reshape(8, 4).double()
    for _ in range(STEPS):
        loss(wrapped, x.chunk(2)[rank]).backward()
        if kind == "partly":  # nobody averages the gradients of what is not sharded
            for param in model[1].parameters():
                dist.all_reduce(param.grad)
                param.grad /= 2
        ours.step()
        ours.zero_grad()
        reference.decay()
        loss(alone, x).backward()
        reference.step()
        reference.zero_grad()
    for one, other in zip(model.parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(whole(one), other.detach(), rtol=1e-9, atol=1e-11, msg=name)
    if kind == "fsdp2":
        saved = get_optimizer_state_dict(model, ours)
        assert len(saved["state"]) == len(list(model.parameters()))


def loss(model: nn.Module, x: Tensor) -> Tensor:
    result: Tensor = model(x).square().mean()
    return result


def whole(param: Tensor) -> Tensor:
    return param.detach().full_tensor() if hasattr(param, "full_tensor") else param.detach()


if __name__ == "__main__":
    main()

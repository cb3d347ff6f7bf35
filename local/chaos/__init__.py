"""`make chaos`: the processes of the local pipeline under every fault it has to come through, row by row."""

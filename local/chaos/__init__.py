"""`make chaos`: the processes of the local pipeline under every fault it must survive, row by row."""

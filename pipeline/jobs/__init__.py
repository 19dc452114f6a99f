"""When things run: the clock asks, the rows of the runs ledger decide."""

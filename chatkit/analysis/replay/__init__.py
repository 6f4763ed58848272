"""What another policy would have done: outages and calls, played again."""

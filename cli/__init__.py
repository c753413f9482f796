"""zapctl, the operator's command line."""

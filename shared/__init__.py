"""zapbridge's library: everything the triggers in `functions/` call; nothing here imports azure.functions."""

"""The message streams: what comes out of ZapCloud's Service Bus, and the credentials that open it."""

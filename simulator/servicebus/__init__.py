"""A Service Bus broker for the simulated ZapCloud: topics and subscriptions over AMQP 1.0, on loopback."""

"""The triggers: each decodes an event, calls one use case of `shared/`, and encodes the answer."""

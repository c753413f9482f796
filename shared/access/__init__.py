"""Who may charge: tokens, one-time grants, and the verdict on a request."""

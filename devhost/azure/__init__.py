"""Stand-ins for the parts of Azure around the two sites: managed identity, Key Vault and the resource manager.

They answer as the published REST APIs do and are strict about what they take: paths, api-versions, audiences, bodies
and rights. What they refuse for being wrong is kept as a violation, for tests to look at.
"""

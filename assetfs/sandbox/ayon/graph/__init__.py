"""The GraphQL side: `sdl.py` is the schema, `endpoint.py` answers, `connections.py` turns arguments into SQL and pages,
`nodes.py` makes nodes of rows, `resolvers.py` ties them to the schema.
"""

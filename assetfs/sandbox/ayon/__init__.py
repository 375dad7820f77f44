"""The AYON sandbox: the wire protocol of a production tracking server, REST, GraphQL and events over a WebSocket.

`app.py` is the HTTP side, `routes.py` says what answers where, `server.py` is what there is, over the tables of
`schema.py`: one database for the server, one for each project. `models.py` are the six kinds of entities, `records.py`
reads them, `entities.py` changes them, alone or in the batches of `operations.py`. `graph/` is the GraphQL side.
`files.py`, `thumbnails.py` and `reviewables.py` have the bytes that the server keeps; `sockets.py` sends the events.
Everything that the real server does oddly is done oddly here.
"""

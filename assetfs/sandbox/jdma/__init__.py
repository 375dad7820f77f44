"""The JDMA sandbox: CEDA's near-line storage front end, its workers, a tape of its own, and the disk that all share.

The HTTP side only keeps books: `app.py` and `routes.py` serve it, `users.py`, `batches.py`, `listings.py` and
`tickets.py` answer, `posting.py` accepts requests, which `putting.py`, `getting.py` and `deleting.py` check. What a
request is for happens later and on disk: `worker.py` moves every request from stage to stage, `uploading.py`,
`recalling.py` and `dropping.py` are the stages of the three kinds, `disk.py` is the shared disk with its locks. It
works below its own data folder only: for the server nothing else exists. Everything that the real server does oddly
is done oddly here.
"""

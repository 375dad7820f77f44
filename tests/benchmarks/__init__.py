"""assetfs beside `rclone mount`, httpx and curl: one run, one machine, the same bytes behind all of them.

    make bench                          the whole table, in about ten minutes
    make bench ARGS=--quick             a quarter of the bytes and one repetition
    make bench ARGS="--only copy"       some works; --list names them

`servers.py` sets up what is read from: the sandbox for the protocol, nginx in front of it for the bytes (so that no
Python stands between the disk and the mount), `rclone serve webdav`, and before each a proxy (`proxy.py`) that makes a
far server of a near one. `contenders.py` says who takes part, `works.py` what they do, `goals.py` what is hoped for,
`report.py` prints the table and writes the JSON beside it. The clock runs in a process of its own (`reader.py`).
"""

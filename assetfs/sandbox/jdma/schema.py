"""The tables of the JDMA sandbox. Ids are never used twice. Dates are the wire's texts, in UTC.

`person` are JDMA's users, `member` is the directory of who belongs to a workspace; the two know nothing of each other,
as in reality. A file's `content` is its blob on the tape. `spool` of a request is where a recall gathers files before
they appear in the target; `since` is when it came to its stage, in seconds; a `locked` request is never worked on
again. `named` keeps every path that any request named, whatever came of it.
"""

SCHEMA = """
CREATE TABLE IF NOT EXISTS person (
  name TEXT PRIMARY KEY, email TEXT NOT NULL, notify ANY NOT NULL DEFAULT 1);
CREATE TABLE IF NOT EXISTS workspace (name TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS member (
  workspace TEXT NOT NULL, name TEXT NOT NULL, manager INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (workspace, name));
CREATE TABLE IF NOT EXISTS quota (
  workspace TEXT NOT NULL, storage TEXT NOT NULL, used INTEGER NOT NULL DEFAULT 0, size INTEGER NOT NULL,
  PRIMARY KEY (workspace, storage));

CREATE TABLE IF NOT EXISTS batch (
  id INTEGER PRIMARY KEY AUTOINCREMENT, owner TEXT NOT NULL, workspace TEXT NOT NULL, label TEXT,
  stage INTEGER NOT NULL DEFAULT 0, storage TEXT NOT NULL, registered TEXT NOT NULL, external TEXT,
  common_path TEXT, uid INTEGER, gid INTEGER, mode INTEGER);
CREATE INDEX IF NOT EXISTS batch_label ON batch (label);
CREATE TABLE IF NOT EXISTS archive (
  id INTEGER PRIMARY KEY AUTOINCREMENT, batch_id INTEGER NOT NULL, size INTEGER NOT NULL,
  packed INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS archive_batch ON archive (batch_id);
CREATE TABLE IF NOT EXISTS file (
  id INTEGER PRIMARY KEY AUTOINCREMENT, archive_id INTEGER NOT NULL, path TEXT NOT NULL, size INTEGER NOT NULL,
  digest TEXT NOT NULL, kind TEXT NOT NULL, uid INTEGER NOT NULL, gid INTEGER NOT NULL, mode INTEGER NOT NULL,
  target TEXT, content TEXT);
CREATE INDEX IF NOT EXISTS file_archive ON file (archive_id);

CREATE TABLE IF NOT EXISTS request (
  id INTEGER PRIMARY KEY AUTOINCREMENT, owner TEXT NOT NULL, batch_id INTEGER NOT NULL, kind INTEGER NOT NULL,
  stage INTEGER NOT NULL, date TEXT NOT NULL, filelist TEXT, target TEXT, failure TEXT,
  credentials TEXT NOT NULL DEFAULT '{}', locked INTEGER NOT NULL DEFAULT 0, since REAL NOT NULL DEFAULT 0,
  done INTEGER NOT NULL DEFAULT 0, spool TEXT);
CREATE INDEX IF NOT EXISTS request_batch ON request (batch_id);
CREATE INDEX IF NOT EXISTS request_stage ON request (stage);
CREATE TABLE IF NOT EXISTS named (id INTEGER PRIMARY KEY AUTOINCREMENT, call TEXT NOT NULL, path TEXT NOT NULL);
"""

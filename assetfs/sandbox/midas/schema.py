"""The tables of the Midas sandbox, with the columns that the wire shows under their own names.

Ids are never used twice (AUTOINCREMENT). Dates are the server's text, `YYYY-MM-DD HH:MM:SS` in UTC. The order of the
columns is the order of an answer's fields. `position` of a membership says which folder is an item's first.
"""

SCHEMA = """
CREATE TABLE IF NOT EXISTS user (
  user_id INTEGER PRIMARY KEY AUTOINCREMENT, firstname TEXT NOT NULL, lastname TEXT NOT NULL,
  email TEXT NOT NULL UNIQUE, thumbnail TEXT, company TEXT, creation TEXT NOT NULL, folder_id INTEGER,
  admin INTEGER NOT NULL DEFAULT 0,
  privacy INTEGER NOT NULL DEFAULT 0, view INTEGER NOT NULL DEFAULT 0, uuid TEXT NOT NULL, city TEXT, country TEXT,
  website TEXT, biography TEXT, dynamichelp INTEGER NOT NULL DEFAULT 1);
CREATE TABLE IF NOT EXISTS secret (user_id INTEGER PRIMARY KEY, password TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS userapi (
  apikey TEXT PRIMARY KEY, user_id INTEGER NOT NULL, application TEXT NOT NULL, minutes INTEGER NOT NULL DEFAULT 100,
  token TEXT, expires REAL NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS userapi_token ON userapi (token);
CREATE TABLE IF NOT EXISTS mfa (id INTEGER PRIMARY KEY AUTOINCREMENT, token TEXT NOT NULL);

CREATE TABLE IF NOT EXISTS community (
  community_id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, description TEXT NOT NULL DEFAULT '',
  creation TEXT NOT NULL, privacy INTEGER NOT NULL DEFAULT 0, folder_id INTEGER, admingroup_id INTEGER,
  moderatorgroup_id INTEGER, membergroup_id INTEGER, can_join INTEGER NOT NULL DEFAULT 1,
  view INTEGER NOT NULL DEFAULT 0, uuid TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS team (
  group_id INTEGER PRIMARY KEY AUTOINCREMENT, community_id INTEGER NOT NULL, name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS teammate (
  group_id INTEGER NOT NULL, user_id INTEGER NOT NULL, PRIMARY KEY (group_id, user_id)) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS folder (
  folder_id INTEGER PRIMARY KEY AUTOINCREMENT, left_index INTEGER, right_index INTEGER, parent_id INTEGER NOT NULL,
  name TEXT NOT NULL, description TEXT NOT NULL DEFAULT '', date_update TEXT NOT NULL, date_creation TEXT NOT NULL,
  view INTEGER NOT NULL DEFAULT 0, teaser TEXT NOT NULL DEFAULT '', privacy_status INTEGER NOT NULL DEFAULT 2,
  uuid TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS folder_parent ON folder (parent_id, name);
CREATE INDEX IF NOT EXISTS folder_uuid ON folder (uuid);

CREATE TABLE IF NOT EXISTS item (
  item_id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, description TEXT NOT NULL DEFAULT '',
  type INTEGER NOT NULL DEFAULT 0, sizebytes INTEGER NOT NULL DEFAULT 0, date_creation TEXT NOT NULL,
  date_update TEXT NOT NULL, thumbnail_id INTEGER, view INTEGER NOT NULL DEFAULT 0,
  download INTEGER NOT NULL DEFAULT 0, privacy_status INTEGER NOT NULL DEFAULT 2, uuid TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS item_name ON item (name);
CREATE INDEX IF NOT EXISTS item_uuid ON item (uuid);
CREATE TABLE IF NOT EXISTS membership (
  position INTEGER PRIMARY KEY AUTOINCREMENT, item_id INTEGER NOT NULL, folder_id INTEGER NOT NULL,
  UNIQUE (item_id, folder_id));
CREATE INDEX IF NOT EXISTS membership_folder ON membership (folder_id);

CREATE TABLE IF NOT EXISTS itemrevision (
  itemrevision_id INTEGER PRIMARY KEY AUTOINCREMENT, item_id INTEGER NOT NULL, revision INTEGER NOT NULL,
  date TEXT NOT NULL, changes TEXT NOT NULL DEFAULT '', user_id INTEGER NOT NULL, license_id INTEGER,
  uuid TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS itemrevision_item ON itemrevision (item_id, revision);
CREATE TABLE IF NOT EXISTS bitstream (
  bitstream_id INTEGER PRIMARY KEY AUTOINCREMENT, itemrevision_id INTEGER NOT NULL,
  assetstore_id INTEGER NOT NULL DEFAULT 1, name TEXT NOT NULL, mimetype TEXT NOT NULL, sizebytes INTEGER NOT NULL,
  checksum TEXT NOT NULL, path TEXT NOT NULL, date TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS bitstream_revision ON bitstream (itemrevision_id);
CREATE INDEX IF NOT EXISTS bitstream_checksum ON bitstream (checksum);
CREATE TABLE IF NOT EXISTS content (checksum TEXT PRIMARY KEY, blob TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS metadata (
  metadata_id INTEGER PRIMARY KEY AUTOINCREMENT, metadatatype INTEGER NOT NULL, element TEXT NOT NULL,
  qualifier TEXT NOT NULL, UNIQUE (metadatatype, element, qualifier));
CREATE TABLE IF NOT EXISTS metadatavalue (
  itemrevision_id INTEGER NOT NULL, metadata_id INTEGER NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (itemrevision_id, metadata_id));

CREATE TABLE IF NOT EXISTS itemthumbnail (
  itemthumbnail_id INTEGER PRIMARY KEY AUTOINCREMENT, item_id INTEGER NOT NULL, thumbnail_id INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS producer (
  producer_id INTEGER PRIMARY KEY AUTOINCREMENT, community_id INTEGER NOT NULL, repository TEXT, executable_name TEXT,
  display_name TEXT NOT NULL, description TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS trend (
  trend_id INTEGER PRIMARY KEY AUTOINCREMENT, producer_id INTEGER NOT NULL, metric_name TEXT NOT NULL,
  display_name TEXT NOT NULL, unit TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS submission (
  submission_id INTEGER PRIMARY KEY AUTOINCREMENT, producer_id INTEGER NOT NULL, name TEXT NOT NULL DEFAULT '',
  uuid TEXT NOT NULL, submit_time TEXT NOT NULL, producer_revision TEXT NOT NULL DEFAULT '',
  branch TEXT NOT NULL DEFAULT '', user_id INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS scalar (
  scalar_id INTEGER PRIMARY KEY AUTOINCREMENT, submission_id INTEGER NOT NULL, trend_id INTEGER NOT NULL,
  value REAL NOT NULL);

CREATE TABLE IF NOT EXISTS policy (
  kind TEXT NOT NULL, node_id INTEGER NOT NULL, holder TEXT NOT NULL, holder_id INTEGER NOT NULL,
  level INTEGER NOT NULL, PRIMARY KEY (kind, node_id, holder, holder_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS upload (token TEXT PRIMARY KEY, user_id INTEGER NOT NULL, item_id INTEGER NOT NULL);
"""

-- Version 1. Times are RFC 3339 UTC text with milliseconds, booleans 0 or 1, JSON is text.

-- What the program knows about the mirror as a whole: source, counts, what was learned about the server.
CREATE TABLE mirror_meta (
  key TEXT PRIMARY KEY NOT NULL,
  value ANY NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE customers (
  row_id INTEGER PRIMARY KEY,          -- never changes, not even by VACUUM; customer_state and absences refer to it
  customer_id TEXT NOT NULL,           -- unique: ensure_index_of_ids in ../schema.rs
  reference_id TEXT,
  human_readable_id TEXT,
  customer_type TEXT,
  name TEXT,
  identity TEXT,
  preferred_locale TEXT,
  contact_email TEXT,
  contact_msisdn TEXT,
  billing_method TEXT,
  billing_currency TEXT,
  billing_email TEXT,
  billing_address_street1 TEXT,
  billing_address_street2 TEXT,
  billing_address_city TEXT,
  billing_address_zip TEXT,
  billing_address_country TEXT,
  billing_address_state TEXT,
  billing_address_region TEXT,
  billing_address_attention TEXT,
  billing_default_payment_profile_id TEXT,
  billing_auto_pay INTEGER,
  contact_person_user_id TEXT,
  contact_person_name TEXT,
  contact_person_role TEXT,
  shipping_name TEXT,
  shipping_address_street1 TEXT,
  shipping_address_street2 TEXT,
  shipping_address_city TEXT,
  shipping_address_zip TEXT,
  shipping_address_country TEXT,
  shipping_address_state TEXT,
  shipping_address_region TEXT,
  shipping_address_attention TEXT,
  shipping_msisdn TEXT,
  shipping_instructions TEXT,
  metadata TEXT,
  upstream_created_at TEXT,
  upstream_updated_at TEXT,
  first_seen_at TEXT NOT NULL,
  changed_at TEXT NOT NULL,
  deleted_at TEXT,                     -- NULL = live
  raw TEXT NOT NULL                    -- the record as sent; last, so that reading the rest doesn't read it
) STRICT;

-- Its other indexes are in ../indexes.sql. This one is of tombstones only, with what lists of customers filter by.
CREATE INDEX customers_deleted_at ON customers (deleted_at, row_id, customer_type, billing_address_country)
WHERE deleted_at IS NOT NULL;

-- Users in the order of their customers, so that those of a page's new customers are neighbours.
CREATE TABLE customer_user_rows (
  row_id INTEGER NOT NULL REFERENCES customers (row_id) ON DELETE CASCADE,
  user_id TEXT NOT NULL,
  name TEXT,
  role TEXT,
  PRIMARY KEY (row_id, user_id)
) STRICT, WITHOUT ROWID;

-- What is asked for users. Its key is (customer_id, user_id).
CREATE VIEW customer_users AS
SELECT c.customer_id, u.user_id, u.name, u.role FROM customer_user_rows AS u JOIN customers AS c ON c.row_id = u.row_id;

-- How changes are noticed: one narrow row a customer, in the order of first sight, which is most often the listing's order.
CREATE TABLE customer_state (
  row_id INTEGER PRIMARY KEY REFERENCES customers (row_id) ON DELETE CASCADE,
  raw_hash BLOB NOT NULL,              -- of the record's bytes: equal means nothing to read
  content_hash BLOB NOT NULL,          -- of its JSON value: equal means nothing to write
  live INTEGER NOT NULL
) STRICT;

CREATE TABLE customer_changes (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  changed_at TEXT NOT NULL,
  pass_id INTEGER,
  customer_id TEXT NOT NULL,
  reference_id TEXT,
  kind TEXT NOT NULL CHECK (kind IN ('created', 'updated', 'deleted', 'restored')),
  changed_fields TEXT NOT NULL,        -- JSON array of JSON pointers
  before TEXT                          -- the record as it was
) STRICT;

-- Until ../indexes.sql makes a whole one: the first pass makes hardly any of these.
CREATE INDEX customer_changes_not_first ON customer_changes (customer_id) WHERE kind <> 'created';

CREATE TABLE passes (
  pass_id INTEGER PRIMARY KEY AUTOINCREMENT,
  state TEXT NOT NULL CHECK (state IN ('running', 'complete', 'failed', 'abandoned')),
  started_at TEXT NOT NULL,
  finished_at TEXT,
  resumed INTEGER NOT NULL DEFAULT 0,
  next_cursor TEXT,
  pages INTEGER NOT NULL DEFAULT 0,
  records INTEGER NOT NULL DEFAULT 0,
  created INTEGER NOT NULL DEFAULT 0,
  updated INTEGER NOT NULL DEFAULT 0,
  unchanged INTEGER NOT NULL DEFAULT 0,
  deleted INTEGER NOT NULL DEFAULT 0,
  restored INTEGER NOT NULL DEFAULT 0,
  quarantined INTEGER NOT NULL DEFAULT 0,
  retries INTEGER NOT NULL DEFAULT 0,
  bytes INTEGER NOT NULL DEFAULT 0,
  sweep TEXT NOT NULL DEFAULT 'none' CHECK (sweep IN ('none', 'done', 'held', 'approved', 'discarded', 'superseded')),
  error TEXT
) STRICT;

-- One pass at most is under way; its row is the checkpoint.
CREATE UNIQUE INDEX passes_one_running ON passes (state) WHERE state = 'running';

-- The pages of the pass under way, only appended to: the chain of cursors (its proof), and which customers each page listed.
CREATE TABLE pass_pages (
  page INTEGER PRIMARY KEY,
  committed_at TEXT NOT NULL,
  next_cursor TEXT,
  seen BLOB NOT NULL                   -- row_ids, as runs
) STRICT;

-- Live customers that the last complete passes did not list.
CREATE TABLE absences (
  row_id INTEGER PRIMARY KEY REFERENCES customers (row_id) ON DELETE CASCADE,
  passes INTEGER NOT NULL,             -- consecutive complete passes
  held INTEGER NOT NULL DEFAULT 0      -- 1 = waits for the operator's decision
) STRICT;

CREATE TABLE quarantine (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  pass_id INTEGER,
  page INTEGER,
  customer_id TEXT,
  reason TEXT NOT NULL,
  raw ANY NOT NULL,                    -- text; a BLOB where the bytes sent are not UTF-8
  at TEXT NOT NULL,
  raw_hash BLOB NOT NULL               -- a record that stays bad stays one row
) STRICT;
CREATE UNIQUE INDEX quarantine_raw_hash ON quarantine (raw_hash);
CREATE INDEX quarantine_customer_id ON quarantine (customer_id) WHERE customer_id IS NOT NULL;

-- referenceIds that more than one live customer holds, and how many do: what the view reference_conflicts finds by reading the index of
-- all referenceIds. Empty until ../indexes.sql fills it; the triggers there keep it.
CREATE TABLE shared_references (
  reference_id TEXT PRIMARY KEY NOT NULL,
  holders INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE VIEW live_customers AS SELECT * FROM customers WHERE deleted_at IS NULL;

CREATE VIEW reference_conflicts AS
SELECT reference_id, count(*) AS customers, json_group_array(customer_id) AS customer_ids
FROM customers
WHERE deleted_at IS NULL AND reference_id IN (
  SELECT reference_id FROM customers WHERE reference_id IS NOT NULL AND deleted_at IS NULL GROUP BY reference_id HAVING count(*) > 1)
GROUP BY reference_id;

CREATE VIEW mirror_freshness AS
SELECT p.pass_id, p.started_at, p.finished_at,
  (SELECT value FROM mirror_meta WHERE key = 'live_customers') AS live_customers,
  CAST(round((julianday('now') - julianday(p.started_at)) * 86400) AS INTEGER) AS age_seconds
FROM (SELECT 1) LEFT JOIN (
  SELECT * FROM passes WHERE state = 'complete' ORDER BY pass_id DESC LIMIT 1) AS p;

-- What `customer-mirror search` asks first. Who writes a customer writes these, too: src/mirror/search.rs. The words in them are in
-- lower case and without diacritics; their text is in the view, for those who look at it. None of it ranks, so no sizes are kept.
CREATE VIEW customer_search_text AS
SELECT row_id,
  ifnull(name, '') || ifnull(' · ' || contact_person_name, '') || ifnull(' · ' || shipping_name, '')
    || ifnull(' · ' || billing_address_attention, '') || ifnull(' · ' || shipping_address_attention, '')
    || ifnull((SELECT ' · ' || group_concat(u.name, ' · ') FROM customer_user_rows AS u WHERE u.row_id = c.row_id), '') AS names,
  ifnull(billing_address_street1, '') || ifnull(' ' || billing_address_street2, '') || ifnull(' ' || billing_address_zip, '')
    || ifnull(' ' || billing_address_city, '') || ifnull(' ' || billing_address_state, '') || ifnull(' ' || billing_address_region, '')
    || ifnull(' ' || billing_address_country, '') || ifnull(' · ' || shipping_address_street1, '')
    || ifnull(' ' || shipping_address_street2, '') || ifnull(' ' || shipping_address_zip, '') || ifnull(' ' || shipping_address_city, '')
    || ifnull(' ' || shipping_address_state, '') || ifnull(' ' || shipping_address_region, '')
    || ifnull(' ' || shipping_address_country, '') AS addresses,
  customer_id || ifnull(' · ' || reference_id, '') || ifnull(' · ' || human_readable_id, '') || ifnull(' · ' || identity, '')
    || ifnull(' · ' || contact_email, '') || ifnull(' · ' || billing_email, '') || ifnull(' · ' || contact_msisdn, '')
    || ifnull(' · ' || shipping_msisdn, '') AS parts
FROM customers AS c;

-- Words.
CREATE VIRTUAL TABLE customer_search USING fts5(names, addresses,
  content='customer_search_text', content_rowid='row_id', columnsize=0, detail=column, tokenize='ascii');

-- Each three characters in a row.
CREATE VIRTUAL TABLE customer_search_parts USING fts5(parts,
  content='customer_search_text', content_rowid='row_id', columnsize=0, detail=none, tokenize="ascii tokenchars '@.-_+'");

-- Every page that is committed adds a segment; to merge sixteen at once costs a third less than four. Four pages of the index fill one of
-- the file.
INSERT INTO customer_search (customer_search, rank) VALUES ('automerge', 16), ('pgsz', 4000);
INSERT INTO customer_search_parts (customer_search_parts, rank) VALUES ('automerge', 16), ('pgsz', 4000);

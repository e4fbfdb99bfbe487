-- What people look customers up by. Made at the end of the first pass, not in the schema: to fill an index row by row in
-- random order writes each of its pages many times over; made at once, each is written once.
-- The first of them, that of customer_id, is made by ensure_index_of_ids in schema.rs: it may be needed before.
-- With deleted_at, so that who of a referenceId's holders is live is known without reading them.
CREATE INDEX IF NOT EXISTS customers_reference_id ON customers (reference_id, deleted_at) WHERE reference_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS customers_human_readable_id ON customers (human_readable_id) WHERE human_readable_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS customers_contact_email ON customers (contact_email) WHERE contact_email IS NOT NULL;
CREATE INDEX IF NOT EXISTS customers_contact_msisdn ON customers (contact_msisdn) WHERE contact_msisdn IS NOT NULL;
CREATE INDEX IF NOT EXISTS customer_changes_customer_id ON customer_changes (customer_id);
DROP INDEX IF EXISTS customer_changes_not_first;

-- Customers in the order of their last change, with what lists of them filter by. row_id second: of one time, the newest row is first.
CREATE INDEX IF NOT EXISTS customers_changed_at
ON customers (changed_at, row_id, customer_type, billing_address_country, deleted_at);

-- Once, from the index; after that the triggers know it all.
INSERT INTO shared_references
SELECT reference_id, count(*) FROM customers
WHERE reference_id IS NOT NULL AND deleted_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'trigger' AND name = 'customers_insert_shares')
GROUP BY reference_id HAVING count(*) > 1;

CREATE TRIGGER IF NOT EXISTS customers_insert_shares AFTER INSERT ON customers
WHEN new.reference_id IS NOT NULL AND new.deleted_at IS NULL
BEGIN
  INSERT INTO shared_references
  SELECT new.reference_id, 2 WHERE EXISTS (
    SELECT 1 FROM customers WHERE reference_id = new.reference_id AND deleted_at IS NULL AND row_id <> new.row_id)
  ON CONFLICT DO UPDATE SET holders = holders + 1;
END;

CREATE TRIGGER IF NOT EXISTS customers_update_shares AFTER UPDATE OF reference_id, deleted_at ON customers
WHEN new.reference_id IS NOT NULL AND new.deleted_at IS NULL
  AND (old.reference_id IS NOT new.reference_id OR old.deleted_at IS NOT NULL)
BEGIN
  INSERT INTO shared_references
  SELECT new.reference_id, 2 WHERE EXISTS (
    SELECT 1 FROM customers WHERE reference_id = new.reference_id AND deleted_at IS NULL AND row_id <> new.row_id)
  ON CONFLICT DO UPDATE SET holders = holders + 1;
END;

CREATE TRIGGER IF NOT EXISTS customers_update_unshares AFTER UPDATE OF reference_id, deleted_at ON customers
WHEN old.reference_id IS NOT NULL AND old.deleted_at IS NULL
  AND (old.reference_id IS NOT new.reference_id OR new.deleted_at IS NOT NULL)
BEGIN
  UPDATE shared_references SET holders = holders - 1 WHERE reference_id = old.reference_id;
  DELETE FROM shared_references WHERE reference_id = old.reference_id AND holders < 2;
END;

CREATE TRIGGER IF NOT EXISTS customers_delete_unshares AFTER DELETE ON customers
WHEN old.reference_id IS NOT NULL AND old.deleted_at IS NULL
BEGIN
  UPDATE shared_references SET holders = holders - 1 WHERE reference_id = old.reference_id;
  DELETE FROM shared_references WHERE reference_id = old.reference_id AND holders < 2;
END;

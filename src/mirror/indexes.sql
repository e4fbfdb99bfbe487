-- What people look customers up by. Made at the end of the first pass, not in the schema: to fill an index row by row in
-- random order writes each of its pages many times over; made at once, each is written once.
CREATE INDEX IF NOT EXISTS customers_reference_id ON customers (reference_id) WHERE reference_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS customers_human_readable_id ON customers (human_readable_id) WHERE human_readable_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS customers_contact_email ON customers (contact_email) WHERE contact_email IS NOT NULL;
CREATE INDEX IF NOT EXISTS customers_contact_msisdn ON customers (contact_msisdn) WHERE contact_msisdn IS NOT NULL;
CREATE INDEX IF NOT EXISTS customer_changes_customer_id ON customer_changes (customer_id);
DROP INDEX IF EXISTS customer_changes_not_first;

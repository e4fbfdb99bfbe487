SELECT reference_id, customer_id, name, contact_email, first_seen_at
FROM live_customers
WHERE reference_id IN (SELECT reference_id FROM reference_conflicts)
ORDER BY reference_id, first_seen_at, customer_id

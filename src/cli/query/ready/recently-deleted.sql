SELECT customer_id, reference_id, name, contact_email, deleted_at
FROM customers
WHERE deleted_at >= strftime('%Y-%m-%dT%H:%M:%fZ', 'now', -:days || ' days')
ORDER BY deleted_at DESC, customer_id

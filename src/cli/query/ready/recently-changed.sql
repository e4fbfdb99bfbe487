SELECT h.seq, h.changed_at, h.kind, h.customer_id, c.name, h.changed_fields
FROM customer_changes AS h LEFT JOIN customers AS c USING (customer_id)
WHERE h.changed_at >= strftime('%Y-%m-%dT%H:%M:%fZ', 'now', -:days || ' days')
ORDER BY h.seq DESC

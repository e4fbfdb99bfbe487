SELECT customer_id, human_readable_id, name, contact_email, first_seen_at
FROM live_customers
WHERE trim(ifnull(reference_id, '')) = ''
ORDER BY first_seen_at DESC, customer_id

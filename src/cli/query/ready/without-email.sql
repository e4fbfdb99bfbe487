SELECT customer_id, reference_id, name, contact_msisdn
FROM live_customers
WHERE trim(ifnull(contact_email, '')) = '' AND trim(ifnull(billing_email, '')) = ''
ORDER BY name, customer_id

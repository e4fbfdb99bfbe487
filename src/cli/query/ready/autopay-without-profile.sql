SELECT customer_id, reference_id, name, billing_method, contact_email
FROM live_customers
WHERE billing_auto_pay = 1 AND trim(ifnull(billing_default_payment_profile_id, '')) = ''
ORDER BY name, customer_id

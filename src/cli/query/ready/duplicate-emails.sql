WITH live AS (
  SELECT lower(trim(contact_email)) AS email, customer_id FROM live_customers WHERE contact_email IS NOT NULL
)
SELECT email, count(*) AS customers, json_group_array(customer_id) AS customer_ids
FROM live
WHERE email IN (
  -- Over the index alone: few e-mails remain to be looked at.
  SELECT lower(trim(contact_email)) FROM customers
  WHERE contact_email IS NOT NULL GROUP BY 1 HAVING count(*) > 1)
GROUP BY email
HAVING count(*) > 1 AND email <> ''
ORDER BY customers DESC, email

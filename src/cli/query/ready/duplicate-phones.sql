WITH live AS (
  SELECT ltrim(replace(replace(replace(replace(replace(contact_msisdn,
      ' ', ''), '-', ''), '(', ''), ')', ''), '+', ''), '0') AS phone,
    customer_id
  FROM live_customers
  WHERE contact_msisdn IS NOT NULL
)
SELECT phone, count(*) AS customers, json_group_array(customer_id) AS customer_ids
FROM live
GROUP BY phone
HAVING count(*) > 1 AND phone <> ''
ORDER BY customers DESC, phone

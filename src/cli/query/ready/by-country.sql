SELECT ifnull(billing_address_country, shipping_address_country) AS country,
  count(*) AS customers,
  count(*) FILTER (WHERE customer_type = 'BUSINESS') AS businesses,
  count(*) FILTER (WHERE contact_email IS NULL) AS without_email
FROM live_customers
GROUP BY country
ORDER BY customers DESC, country

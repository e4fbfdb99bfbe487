SELECT customer_type, billing_method, count(*) AS customers
FROM live_customers
GROUP BY customer_type, billing_method
ORDER BY customers DESC, customer_type, billing_method

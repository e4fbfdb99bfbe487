SELECT date(started_at) AS day,
  count(*) AS passes,
  count(*) FILTER (WHERE state = 'complete') AS complete,
  round(avg((julianday(finished_at) - julianday(started_at)) * 86400) FILTER (WHERE state = 'complete'), 1) AS seconds,
  sum(created) AS created, sum(updated) AS updated, sum(deleted) AS deleted, sum(restored) AS restored
FROM passes
WHERE started_at >= strftime('%Y-%m-%dT%H:%M:%fZ', 'now', -:days || ' days')
GROUP BY day
ORDER BY day DESC

-- simulation, first query: the products that a user has bought.
SELECT DISTINCT p.id AS product_id, p.title, p.unit_price::float8 AS unit_price
FROM orders AS o
JOIN order_items AS i ON i.order_id = o.id
JOIN products AS p ON p.id = i.product_id
WHERE o.user_id = %(user_id)s
ORDER BY p.id

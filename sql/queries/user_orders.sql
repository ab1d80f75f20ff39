-- simulation, second query: all of a user's orders with their items.
SELECT o.user_id, o.id AS order_id, o.status, extract(epoch FROM o.created_at)::float8 AS created_at,
       i.id AS item_id, i.product_id, i.quantity, i.unit_price::float8 AS unit_price
FROM orders AS o
JOIN order_items AS i ON i.order_id = o.id
WHERE o.user_id = %(user_id)s
ORDER BY i.id

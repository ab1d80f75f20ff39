-- Fills the shop, one statement per table, each for the rows %(first)s to %(last)s. Further parameters: how many users,
-- products and orders there are in all, and the seed.
-- Chance comes from hashes of the row number and the seed, so that the same numbers give the same rows anywhere;
-- times lie within the 365 days before a fixed instant. Items belong to the first fifth of the orders, as in the
-- published study, where ten million items share the first of five million orders: most users have some, some none.
-- User 1, the default of every workload, is the same at every scale: one order, of five items, in the quantities 1 to 5.
-- An item's price is computed as its product's was: a join would take three times as long.
INSERT INTO users (id, name, email, created_at)
SELECT i, 'user_' || i, 'user_' || i || '@example.com',
       timestamptz '2025-12-01 00:00:00+00' - make_interval(secs => (hashint8extended(i, %(seed)s + 1) & 2147483647) %% 31536000)
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS i;

INSERT INTO products (id, title, unit_price, created_at)
SELECT i,
       words[1 + (hashint8extended(i, %(seed)s + 2) & 2147483647) %% cardinality(words)] || ' '
           || words[1 + (hashint8extended(i, %(seed)s + 3) & 2147483647) %% cardinality(words)] || ' '
           || words[1 + (hashint8extended(i, %(seed)s + 4) & 2147483647) %% cardinality(words)],
       ((hashint8extended(i, %(seed)s + 5) & 2147483647) %% 50001) * 0.01,
       timestamptz '2025-12-01 00:00:00+00' - make_interval(secs => (hashint8extended(i, %(seed)s + 6) & 2147483647) %% 31536000)
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS i,
     (SELECT ARRAY['amber', 'ancient', 'azure', 'bold', 'bright', 'calm', 'clever', 'coral', 'crimson', 'eager', 'emerald',
                   'fancy', 'gentle', 'golden', 'indigo', 'ivory', 'jolly', 'lively', 'magenta', 'mellow', 'noble',
                   'olive', 'proud', 'quiet', 'rapid', 'scarlet', 'silver', 'teal', 'tidy', 'violet', 'vivid', 'witty']
             AS words) AS list;

INSERT INTO orders (id, user_id, status, created_at)
SELECT i,
       CASE WHEN i = 1 THEN 1
            ELSE 2 + (hashint8extended(i, %(seed)s + 7) & 9223372036854775807) %% (%(users)s::bigint - 1)
       END,
       (ARRAY['pending', 'paid', 'cancelled', 'refunded'])[1 + (hashint8extended(i, %(seed)s + 8) & 3)],
       timestamptz '2025-12-01 00:00:00+00' - make_interval(secs => (hashint8extended(i, %(seed)s + 9) & 2147483647) %% 31536000)
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS i;

INSERT INTO order_items (id, order_id, product_id, quantity, unit_price, created_at)
SELECT id, order_id, product_id, quantity,
       ((hashint8extended(product_id, %(seed)s + 5) & 2147483647) %% 50001) * 0.01,
       created_at
FROM (
    SELECT i AS id,
           CASE WHEN i <= 5 THEN 1
                ELSE 2 + (hashint8extended(i, %(seed)s + 10) & 9223372036854775807) %% (%(orders)s::bigint / 5 - 1)
           END AS order_id,
           1 + (hashint8extended(i, %(seed)s + 11) & 9223372036854775807) %% %(products)s::bigint AS product_id,
           CASE WHEN i <= 5 THEN i ELSE 1 + (hashint8extended(i, %(seed)s + 12) & 2147483647) %% 5 END::integer
               AS quantity,
           timestamptz '2025-12-01 00:00:00+00' - make_interval(secs => (hashint8extended(i, %(seed)s + 13) & 2147483647) %% 31536000)
               AS created_at
    FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS i
) AS item;

-- The shop: users place orders that hold items of products. Tables only, so that rows load fast; sql/constraints.sql
-- follows once they are filled. Everything lives in a schema of its own, beside which nothing is touched.
CREATE SCHEMA harness_shop;
SET LOCAL search_path = harness_shop;

CREATE TABLE users (
    id bigserial,
    name text NOT NULL,
    email text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE products (
    id bigserial,
    title text NOT NULL,
    unit_price numeric(10, 2) NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE orders (
    id bigserial,
    user_id bigint NOT NULL,
    status text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE order_items (
    id bigserial,
    order_id bigint NOT NULL,
    product_id bigint NOT NULL,
    quantity integer NOT NULL,
    unit_price numeric(10, 2) NOT NULL, -- the product's price when it was bought
    created_at timestamptz NOT NULL DEFAULT now()
);

-- How the rows above were made. Written last and in the same transaction: no row here, no shop.
CREATE TABLE seeding (
    scale double precision NOT NULL, -- 1 = the published study's size
    seed bigint NOT NULL
);

-- The shop: users place orders that hold items of products. Tables only, so that rows load fast; sql/constraints.sql
-- follows once they are filled. Everything lives in the schema harness_shop, beside which nothing is touched.
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
    status text NOT NULL CHECK (status IN ('pending', 'paid', 'cancelled', 'refunded')),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE order_items (
    id bigserial,
    order_id bigint NOT NULL,
    product_id bigint NOT NULL,
    quantity integer NOT NULL CHECK (quantity > 0),
    unit_price numeric(10, 2) NOT NULL, -- the product's price when it was bought
    created_at timestamptz NOT NULL DEFAULT now()
);

-- How the rows above were made, in one row. Written last and in the same transaction: no row here, no shop.
CREATE TABLE seeding (
    format integer NOT NULL, -- of these tables; a harness that knows another one asks for a rebuild
    scale double precision NOT NULL, -- 1 = the published study's size
    seed bigint NOT NULL,
    tables jsonb NOT NULL, -- table → rows and checksum
    seconds double precision NOT NULL,
    filled_at timestamptz NOT NULL DEFAULT now()
);

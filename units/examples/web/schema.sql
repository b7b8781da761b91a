-- The tables of the web application. Run at every start of the machine, so it
-- changes nothing when they are there.
CREATE TABLE IF NOT EXISTS visits (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    path text NOT NULL
);

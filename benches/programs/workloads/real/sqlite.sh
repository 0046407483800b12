#!/bin/sh
# sqlite3: a database in memory, $1 rows; inserts, indexes, updates, groups.
exec sqlite3 -batch :memory: "
CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT, city TEXT);
CREATE TABLE sale (id INTEGER PRIMARY KEY, customer INTEGER, item TEXT, price INTEGER, note TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1 / 10)
INSERT INTO customer SELECT i, 'customer ' || (i * 7919 % 10007), 'city ' || (i % 97) FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
INSERT INTO sale SELECT i, i * 7919 % ($1 / 10) + 1, 'item ' || (i * 31 % 1009), i * 101 % 9973,
    substr('a note of some length that is kept with the sale, or a part of it', 1, i * 17 % 66) FROM n;
CREATE INDEX by_customer ON sale (customer, item);
CREATE INDEX by_item ON sale (item);
UPDATE sale SET note = note || ' and more', price = price + 1 WHERE id % 5 = 0;
DELETE FROM sale WHERE id % 11 = 3;
SELECT city, count(*), sum(price), max(note) FROM sale JOIN customer ON customer.id = sale.customer
    GROUP BY city ORDER BY 3 DESC LIMIT 3;
SELECT item, group_concat(DISTINCT price % 7), length(group_concat(note)) FROM sale
    GROUP BY item ORDER BY count(*) DESC, item LIMIT 3;
SELECT count(*), total(length(note)) FROM sale;
"

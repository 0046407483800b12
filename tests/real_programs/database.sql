-- Tables, an index, a trigger, recursion, windows, text search by pattern, a
-- rolled back transaction and a vacuum.
CREATE TABLE word (id INTEGER PRIMARY KEY, text TEXT NOT NULL, size INTEGER);
CREATE TABLE log (word INTEGER, note TEXT);
CREATE TRIGGER noted AFTER UPDATE ON word BEGIN
    INSERT INTO log VALUES (new.id, old.size || ' to ' || new.size);
END;
WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 30000)
INSERT INTO word SELECT n, printf('word-%05d-%s', n * 7919 % 30011, hex(n * n)), n % 100 FROM number;
CREATE INDEX word_text ON word (text);
SELECT count(*), sum(size), min(text), max(text) FROM word;
SELECT size, count(*) AS many, group_concat(substr(text, 6, 5), '') AS all_text
FROM (SELECT * FROM word ORDER BY text) WHERE size < 3 GROUP BY size;
BEGIN;
UPDATE word SET size = size + 1000 WHERE text LIKE '%-0%7-%';
SELECT count(*) FROM log;
ROLLBACK;
SELECT count(*) FROM log;
UPDATE word SET size = size * 2 WHERE id % 10 = 0;
SELECT count(*), min(note), max(note) FROM log;
SELECT sum(place * size) FROM (SELECT row_number() OVER (PARTITION BY size ORDER BY text) AS place, size FROM word);
SELECT a.text FROM word a JOIN word b ON a.id = b.size * 100 WHERE b.text LIKE 'word-1%' GROUP BY a.id ORDER BY a.text LIMIT 10;
DELETE FROM word WHERE id % 3 = 0;
VACUUM;
PRAGMA integrity_check;

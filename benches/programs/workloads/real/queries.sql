\set start random(1, 90000)
SELECT abalance FROM pgbench_accounts WHERE aid = :start;
SELECT bid, count(*), array_agg(aid ORDER BY aid % 97), jsonb_object_agg(aid, abalance) IS NULL
    FROM pgbench_accounts WHERE aid BETWEEN :start AND :start + 600 GROUP BY bid;
SELECT a.aid % 10, string_agg(md5(a.aid::text), ','), max(upper(replace(b.filler, ' ', 'x')))
    FROM pgbench_accounts a JOIN pgbench_accounts b ON b.aid = a.aid + 7
    WHERE a.aid BETWEEN :start AND :start + 600 GROUP BY 1 ORDER BY 2;
SELECT (jsonb_agg(row_to_json(a)) -> 3)::text, count(*) FROM pgbench_accounts a WHERE aid BETWEEN :start AND :start + 300;

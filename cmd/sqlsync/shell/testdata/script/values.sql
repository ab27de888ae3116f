CREATE TABLE v(id INTEGER PRIMARY KEY, d DATE, dt DATETIME, ts TIMESTAMP, b BOOLEAN, u);
INSERT INTO v VALUES
  (1, '2024-01-02', '2024-01-02 03:04:05', '2024-01-02T03:04:05Z', 1, 'text'),
  (2, '2024-01-02T00:00:00+05:30', '2024-01-02 03:04:05.123456789', 1704164645, 0, x'6162'),
  (3, 'yesterday', '', NULL, 'maybe', 1.0),
  (4, 19000, 2460.5, '2024-01-02 03:04', NULL, 9e999),
  (5, '  2024-01-02  ', 'é', '12:00', 2, -9e999);
SELECT * FROM v;
INSERT INTO v(id, d, dt) VALUES (6, '2024-02-29', '2024-02-29 00:00') RETURNING *;
UPDATE v SET ts = '2024-03-01 10:00:00' WHERE id = 6 RETURNING ts, d;
SELECT max(d), min(dt) FROM v;
SELECT 9223372036854775807, -9223372036854775808, 9007199254740993, 9223372036854775808;
SELECT 0.1+0.2, -0.0, 1e15, 123456789012345.0, 1e100, 5e-324, 1.7976931348623157e308, 0.0001, 1e-5, 100.0;
SELECT CAST(x'ff' AS TEXT), x'c3a9', 'it''s', '', NULL, "quo""ted", '1' = 1, ?1 IS NULL;
.nullvalue NIL
SELECT NULL, '', 'NIL';
.nullvalue ""
.mode csv
SELECT * FROM v;
SELECT 'line
break', 'cr' || char(13), '"', ',', 'x' || char(9);
.mode json
SELECT id, d, dt, ts, b, u FROM v WHERE id <> 2;
SELECT x'6162' AS blob, 'tab' || char(9) || char(8) || char(1) AS "c""ol", 1.5e10 AS r, -2 AS n;
.mode line
SELECT * FROM v;
.mode column
SELECT * FROM v;
.mode tabs
EXPLAIN QUERY PLAN SELECT * FROM v WHERE id = 1;
PRAGMA table_info(v);

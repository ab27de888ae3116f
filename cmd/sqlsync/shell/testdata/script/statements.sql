# a comment of the shell
-- a comment; with a semicolon

SELECT 1; SELECT 2; -- two on a line
SELECT ';', '--', "/*" FROM (SELECT 1 AS "/*");
/* a block
   comment; */ SELECT 3
 , 4
;
CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT);
CREATE TABLE seen(what);
CREATE TRIGGER t_ai AFTER INSERT ON t BEGIN
  INSERT INTO seen VALUES ('insert; ' || NEW.b);
  INSERT INTO seen SELECT CASE NEW.a WHEN 1 THEN 'one' ELSE 'more' END;
END;
BEGIN;
INSERT INTO t VALUES (1, 'x'), (2, 'y');
SELECT count(*) FROM seen;
ROLLBACK;
SELECT count(*) FROM t;
BEGIN;
INSERT INTO t(b) VALUES ('kept');
COMMIT;
SELECT * FROM seen;
;;
SELECT [a], `b` FROM t;
EXPLAIN QUERY PLAN SELECT * FROM t WHERE a IN (SELECT what FROM seen WHERE what = t.b) UNION ALL SELECT 1, (SELECT 2 FROM seen) FROM seen;
.headers on
SELECT a, b AS "the b" FROM t;
SELECT a FROM t WHERE 0;
.mode tabs
SELECT a, b FROM t;
.headers off
.mode list
.schema t
.schema see_
.tables
.tables 's%'
SELECT 'no semicolon at the end'

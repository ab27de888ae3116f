.mode column
select 'a	b' as x, 'l1
l2' as y, 'é' as z union all select 'longer', null, 'zz';
.mode box
select 'a	b' as x, 'l1
l2' as y, 'é' zzzz, -1.5 as w union all select 'longer', null, 'zz', 'r';
.mode table
select 1 as abc, 2 as b;
select 1 where 0;
.mode line
select 1 as abc, 'x
y' as b union all select 2,null;
.mode csv
.headers off
select '' as a, 'a b' as b, 'x''y', null, 'é', 'a,b', 1.5, x'31', 'ab"c', 'plain';
.headers on
select 1 as "a b", 2 as c;
.mode list
select 1 as "a b", 2 as c;
.mode tabs
select 1 as "a b", 2 as c, 'x';
.headers off
.mode column
select 1 as abc, 2;
.mode json
select 1 as k where 0;
select 1 as k, 'q"\/' as j, x'61' as l union all select 2, 0.25, null;
create table bc(a,b); create temp table tt(x);
attach ':memory:' as aux; create table aux.m(q, r);
.schema
.tables
.schema tt
.tables %c

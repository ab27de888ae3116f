# make test runs what CI runs; make demo shows what this is.

GO ?= go

.PHONY: all build test check unit race oldlib fuzz simulate soak chaos demo bench bench-compare report package clean

all: build

build:
	CGO_ENABLED=0 $(GO) build -o bin/sqlsync ./cmd/sqlsync

test: check build race unit fuzz oldlib

# check is what needs no running: format, vet, and that other systems build.
check:
	@test -z "$$(gofmt -l .)" || { echo "not gofmt-ed:"; gofmt -l .; exit 1; }
	$(GO) vet ./...
	GOOS=windows CGO_ENABLED=0 $(GO) vet ./cmd/... ./cdc/... ./crypto/... ./replicate/...
	GOOS=darwin CGO_ENABLED=0 $(GO) vet ./cmd/... ./cdc/... ./crypto/... ./replicate/...

# unit runs everything as it is shipped: without cgo.
unit:
	@command -v chromium >/dev/null || echo "SKIPPED: looking at the page, which needs chromium, which is not installed"
	CGO_ENABLED=0 $(GO) test -timeout 30m ./...

# race runs everything once under the race detector, which needs cgo; of tests
# that go through many cases or seeds, fewer, or none where there is one goroutine
# and unit runs them. A program built so sleeps for a
# second when it ends, and the tests run hundreds. SQLite itself, which is C made Go,
# is not looked at: that takes six times as long, and its races are not ours.
NORACE = -gcflags=modernc.org/sqlite/lib=-race=false -gcflags=modernc.org/libc/...=-race=false
race:
	CGO_ENABLED=1 GORACE="atexit_sleep_ms=0" $(GO) test -race $(NORACE) -short -timeout 30m ./...

# oldlib has other SQLite libraries write beside sqlsync, one of them from 2014
# and in need of cgo: a module of its own. -O0 because that is compiled in
# seconds, -w because a compiler of today has much to say about it. The binary
# is built by the test, which Go's cache does not know, hence -count=1.
oldlib:
	@for p in gcc sqlite3 python3; do \
	  command -v $$p >/dev/null || echo "SKIPPED: oldlib: what needs $$p, which is not installed"; \
	done
	cd e2e/oldlib && export CGO_ENABLED=$$(command -v gcc >/dev/null && echo 1 || echo 0) CGO_CFLAGS="-O0 -w" && \
	  $(GO) vet ./... && $(GO) test -count=1 ./...

# fuzz runs every fuzz target for FUZZTIME, FUZZES at a time with a process each:
# decoders of one kind of bytes from outside share a target. FUZZTIME=1s is for a
# look. Where the time is over while an input runs, Go before 1.27 may call that a
# failure of a deadline, without an input: https://go.dev/issue/75804.
FUZZTIME ?= 30s
FUZZES ?= 3
fuzz:
	@set -e; dir=$$(mktemp -d); trap 'rm -rf $$dir' EXIT; \
	for p in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u); do \
	  bin=$$dir/$$(echo $$p | tr / _).test; \
	  $(GO) test -c -fuzz . -o $$bin $$p; \
	  sed -n "s|^func \(Fuzz[A-Za-z0-9]*\).*|$$p $$bin \1|p" $$p/*_test.go >>$$dir/targets; \
	done; \
	export dir; xargs -P $(FUZZES) -n 3 sh -c 'cd $$0 && \
	  if "$$1" -test.run "^$$" -test.fuzz "^$$2\$$" -test.fuzztime $(FUZZTIME) -test.parallel 1 \
	    -test.fuzzminimizetime 1s -test.fuzzcachedir $$dir/corpus >$$dir/$$2.log 2>&1 || \
	    grep -q "^    context deadline exceeded" $$dir/$$2.log && ! grep -q "Failing input" $$dir/$$2.log; \
	  then echo "$$0 $$2: $$(grep "^fuzz: elapsed" $$dir/$$2.log | tail -n 1)"; \
	  else cat $$dir/$$2.log; exit 1; fi' <$$dir/targets

# simulate runs RUNS histories of nodes with everything that can go wrong; unit
# runs as many as fit into 20 s.
RUNS ?= 2000
simulate:
	$(GO) test ./replicate -run 'TestFiles$$' -timeout 0 -replicatetest.runs $(RUNS)

# soak compares random statements with and without sqlsync for SOAK.
SOAK ?= 1h
soak:
	$(GO) test ./cdc -run TestDifferential -differential.for=$(SOAK) -timeout 0

# chaos has applications write on five nodes for CHAOS, while everything happens
# to them that happens to machines; unit does so for 12 s. It prints its seed.
CHAOS ?= 10m
chaos:
	$(GO) test ./e2e -run 'TestChaos$$' -v -count=1 -timeout 0 -chaos.for=$(CHAOS)

demo:
	$(GO) run ./cmd/sqlsync demo

# bench measures what docs/benchmarks.md shows, each beside its floor, in less
# than 10 minutes where nothing else runs, and writes that page. make bench
# SHORT=-short takes less than one and is for a look. What draws the plots is
# in a module of its own.
BENCH = $(GO) test -run '^$$' -benchtime 1x -timeout 60m $(SHORT)
SHORT ?=
bench: report
	@mkdir -p bin
	$(BENCH) -bench 'Capture|Seal|Apply|EndToEnd|Clone|Latency|Wire|FileGrowth|Interference|Growth' ./e2e | tee bin/bench.txt
	cd e2e/report && $(GO) run . ../../bin/bench.txt ../../docs
	$(BENCH) -bench Datasets ./e2e

# report looks whether what writes the pages does.
report:
	cd e2e/report && $(GO) vet ./... && $(GO) test ./...

# bench-compare gives other replicators the same work, and writes
# docs/comparison.md. A path in an environment variable says where one is:
# BENCH_SQLITE_SYNC and BENCH_CRSQLITE are loadable extensions, BENCH_SESSION is
# a libsqlite3 with the session extension, which also needs cc.
bench-compare: report
	@mkdir -p bin
	$(BENCH) -bench Compare ./e2e | tee bin/compare.txt
	cd e2e/report && $(GO) run . ../../bin/compare.txt ../../docs

# package puts binaries, .deb packages and an OCI image into dist, and looks at
# them. Its tools are in a module of their own.
package:
	cmd/packaging/build $(VERSION)
	cd cmd/packaging && $(GO) vet ./... && $(GO) test -count=1 -v ./...

clean:
	rm -rf bin dist

# make test runs what CI runs; make demo shows what this is.

GO ?= go

.PHONY: all build test check unit race fuzz soak demo bench clean

all: build

build:
	CGO_ENABLED=0 $(GO) build -o bin/sqlsync ./cmd/sqlsync

test: check build race unit

# check is what needs no running: format, vet, and that other systems build.
check:
	@test -z "$$(gofmt -l .)" || { echo "not gofmt-ed:"; gofmt -l .; exit 1; }
	$(GO) vet ./...
	GOOS=windows CGO_ENABLED=0 $(GO) vet ./cmd/... ./cdc/... ./crypto/...
	GOOS=darwin CGO_ENABLED=0 $(GO) vet ./cmd/... ./cdc/... ./crypto/...

# unit runs everything as it is shipped: without cgo.
unit:
	CGO_ENABLED=0 $(GO) test ./...

# race runs everything once under the race detector, which needs cgo.
race:
	CGO_ENABLED=1 $(GO) test -race ./...

# fuzz runs every fuzz target for FUZZTIME.
FUZZTIME ?= 30s
fuzz:
	@for p in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz'); do \
	    echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$p || exit 1; \
	  done; \
	done

# soak compares random statements with and without sqlsync for SOAK.
SOAK ?= 1h
soak:
	$(GO) test ./cdc -run TestDifferential -differential.for=$(SOAK) -timeout 0

demo:
	$(GO) run ./cmd/sqlsync demo

bench:
	$(GO) test -run '^$$' -bench Figures -benchtime 1x ./e2e

clean:
	rm -rf bin dist

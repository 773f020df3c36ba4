# Everything here is a thin name for a go command; `make` alone lists the names.

GO    ?= go
TOOLS := $(GO) tool -modfile=tools/go.mod
# The packages in which goroutines meet, as far as they exist.
RACE  := $(foreach d,fsm decide cluster transport client,$(if $(wildcard $(d)),./$(d)/...))
# How long fuzz-short spends on each fuzz test.
FUZZTIME ?= 10s
# For how long jepsen-short injects failures.
JEPSEN_TIME ?= 30s
# What bench and bench-compare run: which benchmarks of which packages, how often
# and for how long each.
BENCH          ?= .
BENCH_PACKAGES ?= ./registry ./fsm ./cluster
BENCH_COUNT    ?= 6
BENCH_TIME     ?= 0.5s

.DEFAULT_GOAL := help
.PHONY: help build test race vet staticcheck lint generate check-generated fuzz-short jepsen-short bench bench-compare ci clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build everything, and the programs under cmd/ into bin/
	$(GO) build ./...
	$(if $(wildcard cmd),$(GO) build -o bin/ ./cmd/...)

test: ## run all tests
	$(GO) test ./...

race: ## run the tests of the packages in which goroutines meet, under the race detector
	$(if $(RACE),$(GO) test -race -timeout 10m $(RACE),@echo nothing to test)

vet: ## check for suspicious Go code
	$(GO) vet ./...

staticcheck: ## run staticcheck
	$(TOOLS) staticcheck ./...

lint: vet staticcheck ## run gofmt, go vet, staticcheck and buf lint
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "not gofmt-ed:"; echo "$$unformatted"; exit 1; }
	$(TOOLS) buf format --diff --exit-code transport/pb
	$(TOOLS) buf lint

generate: ## generate the Go code of the .proto files
	$(TOOLS) buf generate

check-generated: ## fail when the generated code is not that of the .proto files
	@fresh=$$(mktemp -d) && trap 'rm -rf "$$fresh"' EXIT && \
	$(TOOLS) buf generate --output "$$fresh" && \
	diff -r --exclude='holdfast' transport/pb "$$fresh/transport/pb" || \
	{ echo "transport/pb is out of date: run 'make generate' and commit"; exit 1; }

fuzz-short: ## run every fuzz test for FUZZTIME (10s)
	@for package in $$($(GO) list ./...); do \
		for fuzz in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz'); do \
			echo "== $$package $$fuzz"; \
			$(GO) test -run '^$$' -fuzz "^$$fuzz$$" -fuzztime $(FUZZTIME) $$package || exit 1; \
		done; \
	done

jepsen-short: ## inject failures for JEPSEN_TIME (30s)
	$(GO) run ./jepsen run --time $(JEPSEN_TIME)

bench: ## run the Go benchmarks BENCH of BENCH_PACKAGES
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCH_TIME) $(BENCH_PACKAGES)

# Both sides run in turn on the same machine, so that what else happens on it
# hits both. A package that the commit does not have is left out there.
bench-compare: ## compare the benchmarks with those of the commit BASE (BASE=<commit>)
	@test -n "$(BASE)" || { echo "say which commit to compare with: make bench-compare BASE=<commit>"; exit 2; }
	@dir=$$(mktemp -d) && trap 'git worktree remove --force "$$dir/base" 2>/dev/null; rm -rf "$$dir"' EXIT && \
	git worktree add --quiet --detach "$$dir/base" "$(BASE)" && \
	for i in $$(seq $(BENCH_COUNT)); do \
		echo "== round $$i of $(BENCH_COUNT)"; \
		for side in base now; do \
			tree=$$(test $$side = base && echo "$$dir/base" || pwd); \
			for package in $(BENCH_PACKAGES); do \
				test -d "$$tree/$$package" || continue; \
				(cd "$$tree" && $(GO) test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCH_TIME) $$package) >> "$$dir/$$side.txt" || \
				{ tail -20 "$$dir/$$side.txt"; exit 1; }; \
			done; \
		done; \
	done && \
	$(TOOLS) benchstat base="$$dir/base.txt" now="$$dir/now.txt"

ci: ## run what continuous integration runs
	.ci/run

clean: ## remove what was built
	rm -rf bin

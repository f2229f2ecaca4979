# make help lists what there is.
SHELL := /bin/bash -o pipefail
export CGO_ENABLED ?= 0
GO ?= go

.DEFAULT_GOAL := help

.PHONY: help
help: ## what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## the program, as bin/stint
	$(GO) build -trimpath -ldflags '-s -w' -o bin/stint ./cmd/stint

.PHONY: demo
demo: ## four clouds in memory, a week in seconds; needs no account
	$(GO) run ./cmd/stint demo

.PHONY: check
check: ## the whole truth, offline, with Go alone: format, vet, lint, tests
	./test/check

.PHONY: race
race: ## the tests under the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race -timeout 20m ./...

.PHONY: sim
sim: ## the whole program in virtual time: SEEDS=n worlds of 30 days (default 1000), or SEED=x alone with its story
	GOGC=400 $(GO) test ./internal/sim -count=1 -v -run '^TestSeeds$$' -timeout 6h -args $(if $(SEED),-seed $(SEED),-seeds $(or $(SEEDS),1000)) | grep -v -e '^=== ' -e '^ *--- '

.PHONY: mutate
mutate: ## break the program on purpose, in each way of internal/sim/testdata/mutations: the simulation must catch each
	GOGC=400 $(GO) test ./internal/sim -count=1 -v -run '^TestMutations$$' -timeout 2h -args -mutate '$(or $(ONLY),.)' | grep -v -e '^=== '

.PHONY: e2e
e2e: ## PostgreSQL, a mail server, awscli and a real OpenStack, installed from Debian packages when missing (root)
	./test/e2e/run

.PHONY: bench
bench: ## the figures that the README quotes
	./test/bench/run

.PHONY: gen
gen: ## write again what is generated from the code: schema, reference, golden files
	$(GO) test ./internal/policy ./internal/plan ./internal/cli -run 'Schema|Reference|Golden' -update

.PHONY: fuzz
fuzz: ## each fuzz target for FUZZTIME (default 30s)
	./test/fuzz/run $(or $(FUZZTIME),30s)

.PHONY: cover
cover: ## how much of the code the tests reach
	$(GO) test -coverprofile=bin/cover.out ./... && $(GO) tool cover -func=bin/cover.out | tail -1

.PHONY: clean
clean: ## remove what was built
	rm -rf bin

# `make help` lists every target. Go and git are all that must be there: tools
# come as Go modules, PostgreSQL is found or fetched (see internal/postgres).
SHELL := /usr/bin/env bash -o pipefail
TOOL := go tool -modfile=go.tools.mod
REPORT := bin/report
ARGS ?=
# Our packages, without what is generated, and without what needs a whole cluster.
PACKAGES = $$(go list ./... | grep -v -e /gen/ -e /test/e2e -e /test/install -e /test/chart)
# What needs one: beside a control plane, and installed into one.
CLUSTER_PACKAGES = ./test/e2e/... ./test/chart/... ./test/install/...
# What is tested again under the race detector.
RACE_PACKAGES = $$(go list ./... | grep -v -e /gen/ -e /test/)
# Every shell script, with or without a suffix.
SCRIPTS = $$($(TOOL) shfmt -f .)

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | sort | expand -t 18

.PHONY: build
build: ## Build bin/ark
	@echo "building bin/ark (the first time takes some minutes)"
	@go build -o bin/ark .

.PHONY: run
run: build ## Build, then run everything here with sample questions (ARGS=--exit ends by itself)
	@bin/ark dev --demo $(ARGS)

.PHONY: generate
generate: ## Generate gen/ from sql/ and api/, and the first migration from sql/
	$(TOOL) sqlc generate
	go run ./goose/initial
	./api/generate.sh

.PHONY: test
test: $(REPORT) ## Run all tests, conformance included
	@echo "testing all packages (the first time compiles for some minutes)"
	@go test -json -timeout 20m $(PACKAGES) | $(REPORT)

.PHONY: e2e
e2e: $(REPORT) ## Run Ark beside a real Kubernetes control plane, and install its chart, as people do
	@echo "testing beside a real control plane (the first time builds one for some minutes)"
	@{ (cd test/cluster && go test -json -count 1 -timeout 15m ./...) && \
	  go test -json -p 1 -count 1 -timeout 40m $(CLUSTER_PACKAGES); } | $(REPORT)

.PHONY: transcript
transcript: ## Write docs/e2e.md and docs/install.md anew, from a run of the end-to-end tests
	@go test -count 1 -timeout 15m -run 'TestAggregated/story' ./test/e2e -transcript
	@go test -count 1 -timeout 15m -run 'TestInstall' ./test/install -transcript

.PHONY: chart
chart: ## Write the chart's golden files anew, from its sets of values (chart/testdata)
	@go test -count 1 -run '^TestGolden$$' ./test/chart -update

.PHONY: conformance
conformance: $(REPORT) ## Run Kubernetes' own storage suite, directly and through the Cacher
	@go test -json -count 1 -timeout 15m -run '^TestConformance(Direct|Cached)$$' ./server/storage/... | $(REPORT) -depth 1

.PHONY: race
race: $(REPORT) ## Run our packages under the race detector, conformance included
	@echo "testing under the race detector (compiles everything anew the first time)"
	@CGO_ENABLED=1 go test -race -json -timeout 30m $(RACE_PACKAGES) | $(REPORT)

.PHONY: lint
lint: ## Check style, import directions and shell scripts
	$(TOOL) golangci-lint run ./...
	$(TOOL) shfmt -i 2 -d $(SCRIPTS)
	for script in $(SCRIPTS); do bash -n $$script || exit 1; done

.PHONY: plans
plans: ## Write the golden plan of every statement anew (sql/plans)
	go test ./sql/... -run Plans -update

.PHONY: verify
verify: ## Check that nothing generated is stale, that both roads give one schema, plans and style
	@./.ci/verify

.PHONY: bench-storage
bench-storage: ## Measure Kubernetes' storage benchmarks over etcd and over ours, as ratios
	@go test -run '^TestBenchStorage$$' -count 1 -timeout 30m -v ./server/storage/bench -bench-storage

.PHONY: clean
clean: ## Remove what was built
	rm -rf bin

$(REPORT): $(wildcard test/report/*.go)
	@go build -o $(REPORT) ./test/report

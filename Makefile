# `make` prints what there is to make.
SHELL := /bin/bash
export MILLRACE_AWS_CLI := $(CURDIR)/.venv/bin/aws
export MILLRACE_MOTO := $(CURDIR)/.venv/bin/moto_server
GO_STATIC := CGO_ENABLED=0 go build -trimpath -ldflags="-s -w"

.PHONY: help
help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: build ## set up, start a local control plane, create a cluster with the aws command line, produce and consume
	@go run ./cmd/setup demo
	@go run ./cmd/demo

.PHONY: test
test: setup ## set up, then run every test
	go test -run='^$$' ./... >/dev/null
	go test -p 1 -timeout 50m ./...

.PHONY: test-fast
test-fast: ## the tests that start no Kafka, shuffled and with the race detector
	go test -short -shuffle=on -race ./...

.PHONY: build
build: ## bin/millrace and bin/broker-agent, static
	$(GO_STATIC) -o bin/ ./cmd/millrace ./cmd/broker-agent

.PHONY: setup
setup: ## what the tests need on this machine: Java, Maven, the aws command line, Kafka
	@go run ./cmd/setup test

.PHONY: lint
lint: ## golangci-lint, and asl-validator over the state machines
	go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0 run
	npm ci --silent --no-audit --no-fund
	for machine in statemachines/*.asl.json; do npx asl-validator --json-path "$$machine" || exit 1; done

.PHONY: model
model: ## what a create takes on AWS, modelled: its critical path, and its budget
	@go test ./statemachines -count=1 -v -run 'OnAWS$$' | grep -v '^=== \|^PASS'

.PHONY: bench
bench: setup build ## figures: ours and hand-started brokers side by side
	go run ./integration/bench

# `make` prints what there is to make.
SHELL := /bin/bash
export MILLRACE_AWS_CLI := $(CURDIR)/.venv/bin/aws
export MILLRACE_MOTO := $(CURDIR)/.venv/bin/moto_server
GO_STATIC := CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags="-s -w"
# lambda.norpc leaves out Lambda's former protocol; grpcnotrace leaves the linker free to drop what no function calls.
FUNCTION_TAGS := lambda.norpc,grpcnotrace
FUNCTIONS := $(patsubst functions/%/lambda,%,$(wildcard functions/*/lambda))
# What a deployment is told, such as: make deploy PARAMETERS="vpc=vpc-0123… subnets=subnet-0123…,subnet-4567…"
PARAMETERS :=
CONTEXT = $(foreach parameter,$(PARAMETERS),--context $(parameter))
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION := 20

.PHONY: help
help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: programs ## set up, start a local control plane, create a cluster with the aws command line, produce and consume
	@go run ./cmd/setup demo
	@go run ./cmd/demo

# Packages whose tests run brokers, or use all of the machine by themselves: they get it one after the other.
ALONE := /(cmd/.*|integration(/(aws|chaos|sim))?|functions/(api|brokerreplacement|topicadmin)|shared/(kafka|kafkadist|kafkaformat|brokerconfig)(/.*)?)$$

.PHONY: test
test: setup ## set up, then run every test
	go test -run='^$$' ./... >/dev/null
	go test $$(go list ./... | grep -vE '$(ALONE)')
	go test -p 1 -timeout 50m $$(go list ./... | grep -E '$(ALONE)')

.PHONY: test-fast
test-fast: ## the tests that start no Kafka, shuffled and with the race detector
	go test -short -shuffle=on -race ./...

.PHONY: programs
programs: ## bin/millrace and bin/broker-agent, static
	$(GO_STATIC) -o bin/ ./cmd/millrace ./cmd/broker-agent

.PHONY: functions
functions: # every function as Lambda wants it; built again, the same bytes
	for f in $(FUNCTIONS); do GOOS=linux GOARCH=arm64 $(GO_STATIC) -tags $(FUNCTION_TAGS) -o build/$$f/bootstrap ./functions/$$f/lambda || exit 1; done

.PHONY: image
image: # what the image of broker hosts is made from
	GOOS=linux GOARCH=arm64 $(GO_STATIC) -o build/image/ ./cmd/broker-agent ./cmd/broker-image
	go run ./cmd/broker-image fetch build/image/kafka

.PHONY: build
build: programs functions image ## the programs, and all that a deployment takes along: functions, agent, Kafka's jars
	go build -o build/infra ./infra

node_modules: package-lock.json # the cdk command and asl-validator
	npm ci --silent --no-audit --no-fund && touch node_modules

.PHONY: synth
synth: build node_modules ## the CloudFormation template; needs no account
	rm -f cdk.out/*.template.json # those of other deployments
	npx cdk synth --quiet $(CONTEXT)
	@ls cdk.out/*.template.json

.PHONY: diff
diff: synth ## what a deployment would change in the account
	npx cdk diff --app cdk.out

.PHONY: deploy
deploy: synth ## deploy to the account of your AWS credentials; infra/README.md lists the PARAMETERS
	npx cdk deploy --app cdk.out

.PHONY: destroy
destroy: synth ## take a deployment away, once it has no clusters; its table and its key stay
	go run ./cmd/undeploy $(PARAMETERS)
	npx cdk destroy --app cdk.out

.PHONY: setup
setup: ## what the tests need on this machine: Java, Maven, the aws command line, Kafka
	@go run ./cmd/setup test

.PHONY: lint
lint: setup synth ## golangci-lint; cfn-lint, asl-validator and cdk-nag over what would be deployed
	go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0 run
	.venv/bin/cfn-lint cdk.out/*.template.json
	for machine in statemachines/*.asl.json; do npx asl-validator --json-path "$$machine" || exit 1; done
	go test -count=1 -run Nag ./infra

.PHONY: model
model: ## what a create, a replacement and a growth take on AWS, modelled: their critical paths, and their budgets
	@go test ./statemachines -count=1 -v -run 'OnAWS$$' | grep -v '^=== \|^PASS'

.PHONY: invoke
invoke: ## call one function with one event, as on AWS: make invoke FUNCTION=operations EVENT=execution_ended
	@go run ./integration/invoke "$(FUNCTION)" "$(EVENT)"

.PHONY: bench
bench: setup programs ## figures: ours and hand-started brokers side by side
	go run ./integration/bench

MINUTES := 60
.PHONY: chaos
chaos: setup programs ## once a minute something goes wrong on a cluster under load: make chaos MINUTES=60 SEED=7
	go run ./integration/chaos -minutes $(MINUTES) $(if $(SEED),-seed $(SEED))

# How many seeds to run, or the one to replay: make sim SEED=17
SEEDS := 10000
SEED :=
.PHONY: sim
sim: ## the control plane over a fake AWS in which things break, from SEEDS=10000 seeds; SEED=17 replays one with its trace
	go test ./integration/sim -count=1 -timeout 60m -v $(if $(SEED),-run WithItsTrace -seed $(SEED),-run KeepWhatIsPromised -seeds $(SEEDS))

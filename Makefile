# make run, make test: nothing but Go is needed. `make help` lists the rest.
.DEFAULT_GOAL := help
.PHONY: help run test race lint bench build demo openapi-test interop

GO      ?= go
TOOL    := $(GO) tool -modfile=tools/go.mod
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build ## build restock and start it on this machine, with the sandbox in place of Amazon
	./bin/restock up

demo: build ## play the whole story without a person, and print it
	./bin/restock demo

build: ## build the command into bin/
	@mkdir -p bin
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/ ./cmd/restock

test: ## run the tests
	$(GO) test ./...

race: ## run the tests under the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race ./...

openapi-test: build ## ask the API all that docs/openapi.yaml describes (needs Python and PyPI)
	@test -x bin/openapi/bin/schemathesis || python3 -m venv bin/openapi
	@bin/openapi/bin/pip install -q --disable-pip-version-check -r tools/openapi/requirements.txt
	bin/openapi/bin/python tools/openapi/run.py bin/restock

interop: ## run strangers' software against the sandbox, and our client against strangers' servers (needs npm and pip)
	cd interop/node && npm ci --no-audit --no-fund --silent
	cd interop/python && rm -rf site && python3 -m pip install --quiet --root-user-action ignore --target site --require-hashes --no-deps --only-binary :all: -r requirements.txt
	cd interop && $(GO) vet ./... && $(GO) test -count=1

lint: ## check format and code
	$(GO) vet ./...
	$(TOOL) golangci-lint run
	$(TOOL) golangci-lint fmt --diff

bench: ## measure; see bench/README.md
	$(GO) run ./bench

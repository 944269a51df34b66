# make run, make test: nothing but Go is needed. `make help` lists the rest.
.DEFAULT_GOAL := help
.PHONY: help run test race lint bench build demo openapi-test interop sam-build sam-up sam-test

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
	$(GO) vet -tags sam ./...
	$(TOOL) golangci-lint run
	$(TOOL) golangci-lint fmt --diff

# The SAM CLI has its own Python, where nobody can look for it; the translator gets one here.
TRANSLATOR := bin/translator/installed

$(TRANSLATOR): samtest/requirements.txt
	python3 -m venv bin/translator
	bin/translator/bin/pip install -q --disable-pip-version-check -r $<
	@touch $@

sam-up: $(TRANSLATOR) ## build with SAM and serve on this machine, in Docker (PORT=3000)
	@$(GO) build -o bin/sam-up ./samtest/up
	@exec bin/sam-up -python $(CURDIR)/bin/translator/bin/python -port $(or $(PORT),3000)

sam-test: $(TRANSLATOR) ## run what SAM builds in Docker: every event, the API in a browser, the wiring (V=-v)
	cd samtest && $(GO) test $(V) -tags sam -count=1 -parallel 3 -timeout 40m -args -python $(CURDIR)/bin/translator/bin/python
	cd e2e && $(GO) test $(V) -tags sam -count=1 -timeout 15m -run '^TestSAM$$' -args -python $(CURDIR)/bin/translator/bin/python

bench: ## measure; see bench/README.md
	$(GO) run ./bench

sam-build: ## build the functions with the SAM CLI, for arm64 and x86_64, and show their sizes
	.ci/sam-build

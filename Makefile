# Targets for people: build, demo, test. See README.md.

GO ?= go
ENGINE := test/engine/build.sh
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0
RELEASE := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)

.PHONY: build demo engine test test-short lint bench clean

## build: bin/fluxworker, one static file
build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.release=$(RELEASE)' -o bin/fluxworker ./cmd/fluxworker

## demo: 200 prompts through a real Ollama and a tiny model, on the CPU
demo: build
	@scripts/demo.sh

## engine: the real servers and the model that the tests run against, in .cache/engine
engine:
	@$(ENGINE) all

## test: everything, on the real engines
test: engine build
	$(GO) test -race -count=1 -timeout 25m ./...

## test-short: what needs no engine
test-short:
	$(GO) test -short ./...

## lint: gofmt, vet, staticcheck, and govulncheck where its database can be reached
lint:
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$unformatted" ] || { echo "not gofmt-ed:"; echo "$$unformatted"; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	@scripts/govulncheck.sh "$(GO) run $(GOVULNCHECK)"

## bench: the Go benchmarks
bench:
	$(GO) test -run '^$$' -bench . -benchmem ./...

clean:
	rm -rf bin .cache/demo
